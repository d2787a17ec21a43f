/** A port of another host that takes a share of a port's connections, as large as the number of members behind it. */
export type ChildPort = { readonly host: string; readonly port: number };

/** What the kernel of a host does with new connections to a port: balances them, or leaves them alone. */
export type PortState = "on" | "stopped";

/** A TCP port of a host that is balanced over the containers of an image there, and over ports of other hosts. */
export type HostPort = {
  readonly host: string;
  readonly port: number;
  /** Containers that were made from this image are members; null when only children are. */
  readonly image: string | null;
  /** Port that they listen on, in their own network. */
  readonly imagePort: number;
  readonly state: PortState;
  readonly children: readonly ChildPort[];
};

/** Ports by which a machine is reached itself: balancing one of these would shut its operator or control plane out. */
const RESERVED = [22, 2375, 2376];
/** What the program on a host takes; far more than anybody needs. */
export const MOST_PORTS = 32;
export const MOST_CHILDREN = 64;

/** Where instances of a host are published. */
export type SlotPorts = { readonly basePort: number; readonly capacity: number };

/** Why a port cannot be balanced on a host, as a sentence; undefined when it can. */
export function whyNotBalanced(
  { host, port, image, children }: HostPort,
  { basePort, capacity }: SlotPorts,
  others: readonly HostPort[],
): string | undefined {
  if (RESERVED.includes(port)) return `Port ${port} of ${host} is how the machine itself is reached.`;
  if (port >= basePort && port < basePort + capacity)
    return `Port ${port} of ${host} is an instance's: these are ${basePort} to ${basePort + capacity - 1}.`;
  if (image === null && children.length === 0) return "Name an image, a child, or both: there would be no members.";
  if (image !== null && !isImageName(image)) return `"${image}" is no name of an image.`;
  if (children.length > MOST_CHILDREN) return `A port has ${MOST_CHILDREN} children at most.`;
  if (new Set(children.map(nameOf)).size < children.length) return "A child is there twice.";
  const mine = others.filter((other) => other.host === host && other.port !== port);
  if (mine.length >= MOST_PORTS) return `${host} balances ${MOST_PORTS} ports, and these are the most.`;
  for (const child of children) {
    if (!find(others, child) && !(child.host === host && child.port === port))
      return `${nameOf(child)} is not balanced. Map it first, then add it as a child.`;
    if (leadsTo(child, { host, port }, others)) return `${nameOf(child)} leads back here: it would go in a circle.`;
  }
  return undefined;
}

/** A port as people write it. */
export function nameOf({ host, port }: ChildPort): string {
  return `${host}:${port}`;
}

/** What may stand for an image: repository with registry, and tag or digest. */
export function isImageName(text: string): boolean {
  return (
    text.length <= 255 &&
    /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]{1,5})?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/.test(
      text,
    )
  );
}

/** The one way to write an image's name: with its tag, and without what engines leave out. */
export function fullImageName(name: string): string {
  const short = name.replace(/^(?:docker\.io|index\.docker\.io)\//, "").replace(/^library\//, "");
  if (short.includes("@") || /:[^/]+$/.test(short)) return short;
  return `${short}:latest`;
}

/** The port of this name among others. */
export function find(ports: readonly HostPort[], { host, port }: ChildPort): HostPort | undefined {
  return ports.find((each) => each.host === host && each.port === port);
}

function leadsTo(from: ChildPort, goal: ChildPort, ports: readonly HostPort[], seen = new Set<string>()): boolean {
  if (nameOf(from) === nameOf(goal)) return true;
  if (seen.has(nameOf(from))) return false;
  seen.add(nameOf(from));
  return (find(ports, from)?.children ?? []).some((child) => leadsTo(child, goal, ports, seen));
}
