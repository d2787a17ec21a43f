import { backendsOf, serverName, serverWords, type Backend } from "./haproxy.ts";
import type { Balanced, Zone } from "./service.ts";

/** A member as HAProxy has it now. */
export type SeenServer = {
  /** Open connections to it. */
  readonly sessions: number;
  /** 0: it gets no new connections. */
  readonly weight: number;
  readonly state: "up" | "retired" | "maintenance";
  /** Gets connections only while none of the others is up. This cannot be changed while it is there. */
  readonly isSpare: boolean;
  /** Why it is retired; null while it is not. */
  readonly fault: string | null;
};

/** What has gone through a backend since HAProxy was started or has read its files anew; bytes as clients see them. */
export type Traffic = {
  /** Open connections. */
  readonly connections: number;
  readonly accepted: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
};

/** Servers by the names of their backends and their own. */
export type SeenServers = ReadonlyMap<string, ReadonlyMap<string, SeenServer>>;

/** A server that is to go, and since when, in milliseconds of the caller's clock; by backend and name. */
export type Leaving = ReadonlyMap<string, number>;

/** What to tell HAProxy so that its backends have the members that they should have. */
export type ServerPlan = {
  /** Each is one request of its runtime API, in this order. */
  readonly commands: readonly string[];
  readonly leaving: Leaving;
  /** Backends that it does not have: it has to read its files anew. */
  readonly missing: readonly string[];
};

/** State of a member of a service, as its backend of all members has it. */
export type MemberState = "up" | "retired" | "draining" | "unknown";

/** How a member of a service is, over all backends of the service. */
export type CarriedMember = {
  readonly state: MemberState;
  /** Why it is retired; null while it is not. */
  readonly fault: string | null;
  /** Open connections to it. */
  readonly sessions: number;
};

/** What HAProxy carries now; there are backends without servers as well. */
export type SeenBackends = { readonly backends: ReadonlyMap<string, Traffic>; readonly servers: SeenServers };

/** Reads the answer to `show stat -1 6 -1`: backends and their servers, as CSV with a line of names. */
export function readServers(csv: string): SeenBackends {
  const [header = "", ...lines] = csv.split("\n");
  const names = header.replace(/^# /, "").split(",");
  const at = (name: string) => names.indexOf(name);
  const columns = [
    ...["pxname", "svname", "scur", "status", "uweight", "bck", "stot", "bin", "bout"],
    ...["check_status", "check_code"],
  ].map(at);
  if (columns.includes(-1)) throw new Error(`HAProxy's statistics have other columns: ${header.slice(0, 200)}`);
  const backends = new Map<string, Traffic>();
  const servers = new Map<string, Map<string, SeenServer>>();
  for (const line of lines) {
    const fields = line.split(",");
    const [backend = "", name = "", sessions, status = "", weight, spare, accepted, bytesIn, bytesOut, ...check] =
      columns.map((column) => fields[column]);
    if (backend === "" || name === "") continue;
    if (name === "BACKEND") {
      const [connections = 0, ...rest] = [sessions, accepted, bytesIn, bytesOut].map(Number);
      backends.set(backend, { connections, accepted: rest[0] ?? 0, bytesIn: rest[1] ?? 0, bytesOut: rest[2] ?? 0 });
      continue;
    }
    const own = servers.get(backend) ?? new Map<string, SeenServer>();
    servers.set(backend, own);
    const state = status.startsWith("MAINT") ? "maintenance" : status.startsWith("DOWN") ? "retired" : "up";
    const fault = state === "retired" ? faultIn(check[0] ?? "", check[1] ?? "") : null;
    own.set(name, { sessions: Number(sessions), weight: Number(weight), state, isSpare: spare === "1", fault });
  }
  return { backends, servers };
}

/** What HAProxy has found by its last probe, in words. A star before it says that another probe is under way. */
function faultIn(status: string, code: string): string {
  const found = status.replace(/^\* /, "");
  if (found === "L7STS") return `it answers the probe with status ${code}`;
  return faults[found] ?? "connections to it fail";
}

const faults: Readonly<Record<string, string>> = {
  L4TOUT: "it does not accept a connection in time",
  L4CON: "it refuses connections, or no way leads there",
  L7TOUT: "it does not answer the probe in time",
  L7RSP: "it answers the probe with something else than it should",
};

/**
 * The steps from what is to what should be. A member that is to go gets no new connections first; it goes when the last
 * one has ended, or when it has had `drainMs` for that.
 * @param backends names of the backends that HAProxy has, those without servers as well
 */
export function planServers(
  services: readonly Balanced[],
  zones: readonly Zone[],
  { backends, servers }: SeenBackends,
  { leaving, drainMs, now }: { readonly leaving: Leaving; readonly drainMs: number; readonly now: number },
): ServerPlan {
  const commands: string[] = [];
  const missing: string[] = [];
  const stillLeaving = new Map<string, number>();
  for (const backend of services.flatMap((service) => backendsOf(service, zones))) {
    if (!backends.has(backend.name)) {
      missing.push(backend.name);
      continue;
    }
    const seen = servers.get(backend.name) ?? new Map<string, SeenServer>();
    commands.push(...wantedCommands(backend, seen));
    const wanted = new Map(backend.members.map((member) => [serverName(member.address), member]));
    for (const [name, server] of seen) {
      // One that is to be spare from now on, or not to be, has to go before it is added again.
      if (wanted.get(name)?.isSpare === server.isSpare) continue;
      const path = `${backend.name}/${name}`;
      const since = leaving.get(path) ?? now;
      stillLeaving.set(path, since);
      if (server.weight !== 0 && server.state !== "maintenance") commands.push(`set server ${path} weight 0`);
      else if (server.sessions === 0 || now - since >= drainMs)
        commands.push(`set server ${path} state maint; shutdown sessions server ${path}; del server ${path}`);
    }
  }
  return { commands, leaving: stillLeaving, missing };
}

/** What adds and changes the members that a backend should have. */
function wantedCommands({ name, members }: Backend, seen: ReadonlyMap<string, SeenServer>): readonly string[] {
  return members.flatMap((member) => {
    const path = `${name}/${serverName(member.address)}`;
    const server = seen.get(serverName(member.address));
    if (server && server.isSpare !== member.isSpare) return [];
    if (!server) return [`add server ${path} ${serverWords(member)}; enable health ${path}; enable server ${path}`];
    const weight = member.isDraining ? 0 : member.weight;
    return [
      ...(server.state === "maintenance" ? [`set server ${path} state ready; enable health ${path}`] : []),
      ...(server.weight === weight ? [] : [`set server ${path} weight ${weight}`]),
    ];
  });
}

/** How the members of a service are, by their address. */
export function memberStates(
  service: Balanced,
  zones: readonly Zone[],
  servers: SeenServers,
): ReadonlyMap<string, CarriedMember> {
  const backends = backendsOf(service, zones).map(({ name }) => servers.get(name));
  return new Map(
    service.members.map(({ address, isDraining }): readonly [string, CarriedMember] => {
      const name = serverName(address);
      const [server] = backends.map((servers) => servers?.get(name));
      const sessions = backends.reduce((sum, servers) => sum + (servers?.get(name)?.sessions ?? 0), 0);
      if (!server) return [address.text, { state: "unknown", fault: null, sessions }];
      const { state, fault, weight } = server;
      if (state !== "up") return [address.text, { state: "retired", fault, sessions }];
      return [address.text, { state: isDraining || weight === 0 ? "draining" : "up", fault: null, sessions }];
    }),
  );
}

/** What has gone through a service, over all its backends. */
export function trafficOf(service: Balanced, zones: readonly Zone[], backends: SeenBackends["backends"]): Traffic {
  const seen = backendsOf(service, zones).flatMap(({ name }) => backends.get(name) ?? []);
  const sum = (read: (traffic: Traffic) => number) => seen.reduce((total, each) => total + read(each), 0);
  return {
    connections: sum(({ connections }) => connections),
    accepted: sum(({ accepted }) => accepted),
    bytesIn: sum(({ bytesIn }) => bytesIn),
    bytesOut: sum(({ bytesOut }) => bytesOut),
  };
}
