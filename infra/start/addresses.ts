import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { hostIn } from "../../apps/lib/url-host.ts";

/** Where a single box listens, publishes instances and is found. */
export interface BoxAddresses {
  /** Name or address handed to users. */
  publicHost: string;
  /** Address that instances are published on. */
  bindAddress: string;
  /** Where we reach published ports ourselves. */
  checkHost: string;
  /** Address that servers on this machine listen on. */
  listenAddress: string;
  /** Name or address that the page, the API and the dashboard are found by. */
  pageHost: string;
  /** Whether they are open to the network. */
  isPageOpen: boolean;
  /** An address to call the box by. */
  publicIp: string;
}

/**
 * Works out the addresses from the settings HOST and PUBLIC_HOST and from where the engine is: on an
 * engine elsewhere, instances are published there and not on HOST. Throws when HOST has no address.
 */
export async function boxAddresses(settings: {
  host: string;
  publicHost: string | undefined;
  engineUrl: string;
  /** Whether an edge on this machine leads to instances: then nobody else need reach them. */
  isBehindEdge: boolean;
}): Promise<BoxAddresses> {
  const { address } = await addressOf("HOST", settings.host);
  const isWildcard = address === "0.0.0.0" || address === "::";
  const outward = outwardAddress() ?? "127.0.0.1";
  const own = isWildcard ? outward : settings.host;
  const elsewhere = engineElsewhere(settings.engineUrl);
  if (elsewhere !== undefined) {
    return {
      publicHost: settings.publicHost ?? elsewhere,
      bindAddress: "0.0.0.0",
      checkHost: elsewhere,
      listenAddress: isWildcard ? "0.0.0.0" : address,
      pageHost: own,
      isPageOpen: isWildcard,
      publicIp: (await addressOf("DOCKER_HOST", elsewhere)).address,
    };
  }
  const publicHost = settings.publicHost ?? own;
  return {
    publicHost,
    // Instances live on an IPv4 bridge; the engine also publishes on IPv6 where it can.
    bindAddress: settings.isBehindEdge ? "127.0.0.1" : isWildcard ? "0.0.0.0" : address,
    checkHost: settings.isBehindEdge || isWildcard ? "127.0.0.1" : address,
    listenAddress: isWildcard ? "0.0.0.0" : address,
    pageHost: publicHost,
    isPageOpen: isWildcard,
    publicIp: isWildcard ? outward : address,
  };
}

/** The host of an engine that is not on this machine; undefined when it is here. */
export function engineElsewhere(engineUrl: string): string | undefined {
  if (engineUrl.startsWith("unix:")) return undefined;
  const host = hostIn(engineUrl);
  const own = [
    "localhost",
    ...Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
  ];
  return own.includes(host) ? undefined : host;
}

/**
 * Throws, naming the settings, when nothing can listen on an address and port. Returns the port, a free one for 0.
 * @param prefix of the names of these settings
 */
export async function checkPort(host: string, port: number, prefix: "" | "EDGE_" = ""): Promise<number> {
  const server = createServer().listen(port, host);
  try {
    await once(server, "listening");
  } catch (cause) {
    throw new Error(reasonFor((cause as NodeJS.ErrnoException).code, host, port, prefix), { cause });
  }
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : port;
}

function reasonFor(code: string | undefined, host: string, port: number, prefix: string): string {
  if (code === "EADDRINUSE")
    return `port ${port} of ${host} is taken by another program: stop that, or choose another port with ${prefix}PORT=…`;
  if (code === "EACCES") {
    return `port ${port} is reserved for root: choose one above 1023 with ${prefix}PORT=…, or run as root`;
  }
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return `${prefix}HOST=${host} is not an address of this machine`;
  return `cannot listen on port ${port} of ${host} (${code ?? "unknown reason"}): see the settings ${prefix}PORT and ${prefix}HOST`;
}

async function addressOf(setting: string, host: string): Promise<{ address: string }> {
  try {
    return await lookup(host, { order: "ipv4first" });
  } catch (cause) {
    throw new Error(`${setting} names ${host}, which has no address`, { cause });
  }
}

function outwardAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find(({ internal, family }) => !internal && family === "IPv4")?.address;
}
