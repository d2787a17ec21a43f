import { createHash } from "node:crypto";
import { buildTable } from "../balance/maglev.ts";
import { find, fullImageName, nameOf, type ChildPort, type HostPort, type PortState } from "./port.ts";

/** A container as its engine shows it. */
export type SeenContainer = {
  readonly id: string;
  readonly name: string;
  /** As it was named when the container was made: the name may be another image's by now. */
  readonly image: string;
  /** In its own network; null while it has none. */
  readonly address: string | null;
  readonly isPaused: boolean;
  /** Whether it is somebody's instance: those are never members. */
  readonly isInstance: boolean;
};

/** What is known of a host: its address among hosts, null when it has none, and the containers that run there. */
export type HostLook = { readonly address: string | null; readonly containers: readonly SeenContainer[] };

/** Somebody who gets connections of a port. One that rests keeps what it has, and gets no more. */
export type PortMember = {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly kind: "direct" | "child";
  readonly weight: number;
  readonly takes: boolean;
};

/** A port with its members, by id, and for each bucket of its table the place of its member among them. */
export type MappedPort = {
  readonly port: number;
  readonly state: PortState;
  readonly size: number;
  readonly members: readonly PortMember[];
  readonly buckets: readonly number[];
};

/** What the kernel of a host should do, by port. */
export type PortMap = readonly MappedPort[];

/** What is sent to a host: the text that its program reads, and the name of what is in it. */
export type PortMapDocument = { readonly revision: string; readonly text: string };

/** A difference between two maps of a host, as the operator reads it. */
export type PortChange = {
  readonly kind: "port-on" | "port-off" | "member-in" | "member-out" | "member-rests" | "member-weight";
  readonly port: number;
  readonly reason: string;
};

/**
 * What a host's ports should be.
 * @param looks what is known of hosts; undefined is returned when this one has never been seen, for unknown is not empty
 */
export function mapPorts(
  host: string,
  ports: readonly HostPort[],
  looks: ReadonlyMap<string, HostLook>,
  size: number,
): PortMap | undefined {
  const look = looks.get(host);
  if (!look) return undefined;
  return ports
    .filter((each) => each.host === host)
    .sort((a, b) => a.port - b.port)
    .map((each) => {
      const members = membersOf(each, look, ports, looks);
      return { port: each.port, state: each.state, size, members, buckets: bucketsOf(each, members, size) };
    });
}

function membersOf(
  port: HostPort,
  look: HostLook,
  ports: readonly HostPort[],
  looks: ReadonlyMap<string, HostLook>,
): PortMember[] {
  const { image, imagePort, children } = port;
  const direct = containersOf(image, look).flatMap(({ id, name, address, isPaused }): PortMember[] =>
    address === null ? [] : [{ id, name, address, port: imagePort, kind: "direct", weight: 1, takes: !isPaused }],
  );
  const others = children.flatMap((child): PortMember[] => {
    const address = looks.get(child.host)?.address;
    if (address === undefined || address === null) return [];
    const weight = membersBehind(child, ports, looks, new Set([nameOf(port)]));
    const name = nameOf(child);
    return [
      { id: name, name, address, port: child.port, kind: "child", weight: Math.max(1, weight), takes: weight > 0 },
    ];
  });
  return [...direct, ...others].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Containers of an image, those that are instances left out: they belong to people. */
function containersOf(image: string | null, { containers }: HostLook): readonly SeenContainer[] {
  if (image === null) return [];
  const wanted = fullImageName(image);
  return containers.filter((container) => !container.isInstance && fullImageName(container.image) === wanted);
}

/** Containers that take connections behind a port of a host, those behind its own children included; each port once. */
function membersBehind(
  child: ChildPort,
  ports: readonly HostPort[],
  looks: ReadonlyMap<string, HostLook>,
  seen: Set<string>,
): number {
  const port = find(ports, child);
  const look = looks.get(child.host);
  if (!port || !look || port.state === "stopped" || seen.has(nameOf(child))) return 0;
  seen.add(nameOf(child));
  const here = containersOf(port.image, look).filter(({ address, isPaused }) => address !== null && !isPaused).length;
  return port.children.reduce((sum, each) => sum + membersBehind(each, ports, looks, seen), here);
}

function bucketsOf({ state }: HostPort, members: readonly PortMember[], size: number): readonly number[] {
  if (state === "stopped") return [];
  const takers = members.filter(({ takes }) => takes);
  const { ids, buckets } = buildTable(takers, size);
  const places = new Map(members.map(({ id }, place) => [id, place]));
  const placeOf = ids.map((id) => places.get(id) ?? 0);
  return buckets.map((taker) => placeOf[taker] ?? 0);
}

/** A map as infra/host/port-map.sh reads it. The same map is the same text, and has the same revision. */
export function renderPortMap(map: PortMap): PortMapDocument {
  const lines = map.flatMap(({ port, state, size, members, buckets }) => [
    `port ${port} ${size} ${state}`,
    ...members.map(
      ({ address, port: to, kind, takes }, place) =>
        `member ${place} ${address} ${to} ${kind} ${takes ? "takes" : "rests"}`,
    ),
    ...(buckets.length > 0 ? [`buckets ${buckets.join(",")}`] : []),
  ]);
  const body = [...lines, "end", ""].join("\n");
  const revision = createHash("sha256").update(body).digest("hex").slice(0, 16);
  return { revision, text: `port-map 1 ${revision}\n${body}` };
}

/** Somebody behind a port, as its host's document has it. */
export type ListedMember = {
  readonly address: string;
  readonly port: number;
  readonly kind: PortMember["kind"];
  /** Buckets of the table that lead there. */
  readonly buckets: number;
};

/** Who is behind each port, out of a document as {@link renderPortMap} makes it. */
export function listMembers(text: string): ReadonlyMap<number, readonly ListedMember[]> {
  const ports = new Map<number, ListedMember[]>();
  let members: ListedMember[] = [];
  for (const line of text.split("\n")) {
    const [word, first = "", address = "", port, kind] = line.split(" ");
    if (word === "port") ports.set(Number(first), (members = []));
    if (word === "member")
      members.push({ address, port: Number(port), kind: kind === "child" ? "child" : "direct", buckets: 0 });
    if (word !== "buckets") continue;
    const counts = new Map<number, number>();
    for (const place of first.split(",").map(Number)) counts.set(place, (counts.get(place) ?? 0) + 1);
    for (const [place, member] of members.entries()) members[place] = { ...member, buckets: counts.get(place) ?? 0 };
  }
  return ports;
}

/** What is different between the maps of a host, the ports in order. */
export function comparePortMaps(before: PortMap, after: PortMap): PortChange[] {
  const portsOf = new Set([...before, ...after].map(({ port }) => port));
  return [...portsOf]
    .sort((a, b) => a - b)
    .flatMap((port) => {
      const was = before.find((each) => each.port === port);
      const is = after.find((each) => each.port === port);
      if (!is) return [{ kind: "port-off", port, reason: `port ${port} is not balanced any more` } as const];
      const turned: PortChange[] = was?.state === is.state ? [] : [turn(is)];
      return [...turned, ...compareMembers(was?.members ?? [], is)];
    });
}

function turn({ port, state, members }: MappedPort): PortChange {
  if (state === "stopped")
    return { kind: "port-off", port, reason: `port ${port} is stopped: open connections go on, and none are added` };
  return { kind: "port-on", port, reason: `port ${port} is balanced over ${count(members)}` };
}

function compareMembers(before: readonly PortMember[], { port, members }: MappedPort): PortChange[] {
  const was = new Map(before.map((member) => [member.id, member]));
  const is = new Map(members.map((member) => [member.id, member]));
  const left = before
    .filter(({ id }) => !is.has(id))
    .map(({ name }): PortChange => ({ kind: "member-out", port, reason: `${name} has left port ${port}` }));
  const changed = members.flatMap((member): PortChange[] => {
    const former = was.get(member.id);
    const at = `${member.name} at ${member.address}:${member.port}`;
    if (!member.takes)
      return former && !former.takes
        ? []
        : [{ kind: "member-rests", port, reason: `${at} gets no new connections of port ${port}` }];
    if (!former?.takes || former.address !== member.address || former.port !== member.port)
      return [{ kind: "member-in", port, reason: `${at} takes connections of port ${port}` }];
    return former.weight === member.weight
      ? []
      : [{ kind: "member-weight", port, reason: `${at} has weight ${member.weight} at port ${port}` }];
  });
  return [...left, ...changed];
}

function count(members: readonly PortMember[]): string {
  const takers = members.filter(({ takes }) => takes).length;
  return `${takers} ${takers === 1 ? "member" : "members"}`;
}
