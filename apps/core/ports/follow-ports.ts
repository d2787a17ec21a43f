import pMap from "p-map";
import { EngineFault } from "../fleet/engine-fault.ts";
import type { Hosts, ReadHeartbeats } from "../fleet/contract.ts";
import type { Host } from "../fleet/host.ts";
import type { Events } from "../events/contract.ts";
import type { Happening } from "../events/event.ts";
import type { ContainerEngines, HostPorts, PortMapFacts, PortMaps } from "./contract.ts";
import { comparePortMaps, mapPorts, renderPortMap, type HostLook, type PortMap } from "./port-map.ts";
import type { HostPort } from "./port.ts";

/** What following the ports of hosts needs. */
export type FollowPortsPorts = {
  readonly store: {
    readonly ports: Pick<HostPorts, "list">;
    readonly hosts: Pick<Hosts, "list">;
    readonly events: Pick<Events, "add">;
  };
  readonly engines: ContainerEngines;
  readonly portMaps: PortMaps;
  readonly readHeartbeats: ReadHeartbeats;
  readonly clock: () => Date;
  readonly delay: (ms: number) => Promise<void>;
};

export type FollowPortsRules = {
  /** Buckets of each table, a prime. */
  readonly tableSize: number;
  /** Time between two steps when nothing is heard. */
  readonly stepMs: number;
  /** Age at which what is known of a host's containers is read again, whatever its engine has told. */
  readonly lookMs: number;
  /** Time that a host's program may take to report on a document before the operator is told. */
  readonly reportMs: number;
  readonly concurrency: number;
};

const EMPTY = renderPortMap([]).revision;
/** Hosts themselves change seldom. */
const HOSTS_MS = 10_000;
/** The control plane's Redis takes no more at once. */
const MOST_BYTES = 900_000;
/** A host that does not say where it is reached by IPv4 is nobody's child. */
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/**
 * Keeps every host's program told of what its ports should be: engines tell which containers come and go, and are asked
 * now and then. What is unknown stays as it was. Any number of processes may do this at once: they come to the same
 * documents.
 * @param onStep is told after each step of `run` what was wrong with it; undefined when nothing was
 */
export function createPortFollower(
  ports: FollowPortsPorts,
  rules: FollowPortsRules,
  onStep: (fault: unknown) => void = () => undefined,
) {
  const { store, engines, portMaps, clock } = ports;
  const looks = new Map<string, { readonly look: HostLook; readonly atMs: number }>();
  const streams = new Map<string, AbortController>();
  /** Hosts whose engines have told of a change; and those to look at once more: lists may lag behind events. */
  const heard = new Set<string>();
  const again = new Set<string>();
  /** What each host was told last, as far as this process knows. */
  const told = new Map<string, PortMap>();
  const awaited = new Map<string, { readonly revision: string; readonly sinceMs: number }>();
  const alarmed = new Map<string, string>();
  /** What another process has left for a host in place of ours. */
  const contested = new Map<string, string>();
  let hosts = new Map<string, Host>();
  let hostsAtMs = -Infinity;
  let wake: () => void = () => undefined;

  /** Follows until the signal aborts. What fails is tried again. */
  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // What is heard from here on, this step may have missed.
      const woken = new Promise<void>((resolve) => (wake = resolve));
      signal.addEventListener("abort", wake, { once: true });
      try {
        await step();
        onStep(undefined);
      } catch (fault) {
        onStep(fault);
      }
      await Promise.race([woken, ports.delay(rules.stepMs)]);
      signal.removeEventListener("abort", wake);
    }
    for (const stream of streams.values()) stream.abort();
  }

  /** Moves every host's document to what it should be now. @throws Unavailable when MySQL or Redis does not answer */
  async function step(): Promise<void> {
    const declared = await store.ports.list();
    const isFresh = await refreshHosts(declared);
    const named = new Set(declared.map(({ host }) => host).filter((name) => hosts.has(name)));
    followStreams(named);
    await pMap(
      [...named].filter((name) => isDue(name)),
      look,
      { concurrency: rules.concurrency },
    );
    for (const name of looks.keys()) if (!named.has(name)) looks.delete(name);
    // Those that have no port any more are told once; after a start of this process, all are asked for what they have.
    const concerned = [...new Set([...named, ...told.keys(), ...(isFresh ? hosts.keys() : [])])];
    if (concerned.length === 0) return;
    const [facts, heartbeats] = [await portMaps.read(concerned), await ports.readHeartbeats([...named])];
    // Nothing gets to a host that is silent: who has it as a child goes on without it.
    const seen = new Map(
      [...looks].map(([name, { look: is }]) => [name, heartbeats.has(name) ? is : { ...is, containers: [] }]),
    );
    const faults: unknown[] = [];
    for (const name of concerned) {
      if (named.has(name) && !heartbeats.has(name)) continue;
      const map = named.has(name) ? mapPorts(name, declared, seen, rules.tableSize) : [];
      if (!map) continue;
      const children = declared.filter(({ host }) => host === name).flatMap((port) => port.children);
      // What is wrong with one host's document is not to keep the others from theirs.
      await tell(name, map, facts.get(name), [name, ...children.map(({ host }) => host)]).catch((fault: unknown) =>
        faults.push(fault),
      );
    }
    if (faults.length > 0) throw faults[0];
  }

  async function refreshHosts(declared: readonly HostPort[]): Promise<boolean> {
    const nowMs = clock().getTime();
    const isNew = declared.some(({ host }) => !hosts.has(host));
    if (nowMs - hostsAtMs < HOSTS_MS && !isNew) return false;
    hosts = new Map((await store.hosts.list()).map(({ host }) => [host.name, host]));
    hostsAtMs = nowMs;
    for (const name of told.keys()) if (!hosts.has(name)) told.delete(name);
    return true;
  }

  function followStreams(named: ReadonlySet<string>): void {
    for (const [name, stream] of streams) if (!named.has(name)) stream.abort();
    for (const name of named) {
      const host = hosts.get(name);
      if (!host || streams.has(name)) continue;
      const stream = new AbortController();
      streams.set(name, stream);
      // What happened while nobody listened is found by the look that follows.
      const known = looks.get(name);
      if (known) looks.set(name, { ...known, atMs: -Infinity });
      void engines
        .followContainers(host, () => notice(name), stream.signal)
        .catch(() => undefined)
        .finally(() => streams.delete(name));
    }
  }

  function notice(name: string): void {
    heard.add(name);
    wake();
  }

  function isDue(name: string): boolean {
    return (
      heard.has(name) || again.has(name) || clock().getTime() - (looks.get(name)?.atMs ?? -Infinity) >= rules.lookMs
    );
  }

  async function look(name: string): Promise<void> {
    const host = hosts.get(name);
    if (!host) return;
    if (heard.delete(name)) again.add(name);
    else again.delete(name);
    try {
      const containers = await engines.listRunning(host);
      looks.set(name, { look: { ...unseen(host), containers }, atMs: clock().getTime() });
    } catch (fault) {
      if (!(fault instanceof EngineFault)) throw fault;
      // It may hang in silence: the stream begins anew, with a look.
      streams.get(name)?.abort();
    }
  }

  /** @param sources hosts that the map is made of */
  async function tell(
    name: string,
    map: PortMap,
    facts: PortMapFacts | undefined,
    sources: readonly string[],
  ): Promise<void> {
    const document = renderPortMap(map);
    if (document.text.length > MOST_BYTES) {
      const reason = `its ports need a document of ${document.text.length} bytes, and ${MOST_BYTES} are the most`;
      return alarm(name, document.revision, `${reason}: balance fewer, or set PORT_TABLE_SIZE lower`);
    }
    const isNew = facts?.wanted === undefined && map.length === 0;
    if (!isNew && facts?.wanted !== document.revision) {
      if (isContested(name, document.revision, facts?.wanted)) {
        for (const source of sources) heard.add(source);
        return;
      }
      await portMaps.put(name, document);
      for (const { kind, reason } of comparePortMaps(told.get(name) ?? [], map))
        await note({ kind, host: name, reason });
      awaited.set(name, { revision: document.revision, sinceMs: clock().getTime() });
    }
    if (map.length > 0) told.set(name, map);
    else told.delete(name);
    if (document.revision !== EMPTY) await hear(name, document.revision, facts);
    else awaited.delete(name);
  }

  /**
   * Whether somebody else has left another document since we left this one, and we have not looked since: it is they who
   * may know better.
   */
  function isContested(name: string, revision: string, wanted: string | undefined): boolean {
    const before = told.get(name);
    const isOurs = before !== undefined && renderPortMap(before).revision === revision;
    if (wanted === undefined || !isOurs || contested.get(name) === wanted) {
      contested.delete(name);
      return false;
    }
    contested.set(name, wanted);
    return true;
  }

  /** Tells the operator once of a document that its host refuses, or says nothing about. */
  async function hear(name: string, revision: string, facts: PortMapFacts | undefined): Promise<void> {
    const report = facts?.report;
    const waiting = awaited.get(name);
    if (report?.revision === revision) {
      awaited.delete(name);
      if (report.result === "loaded") alarmed.delete(name);
      else await alarm(name, revision, `its ports are as they were: it refuses what they should be (${report.reason})`);
    } else if (waiting?.revision !== revision) {
      awaited.set(name, { revision, sinceMs: clock().getTime() });
    } else if (clock().getTime() - waiting.sinceMs >= rules.reportMs) {
      await alarm(
        name,
        revision,
        "its program port-map.sh does not report what its ports should be as loaded. See its log: " +
          "journalctl -u getaredis-port-map. A host older than this program has to be replaced",
      );
    }
  }

  async function alarm(name: string, revision: string, reason: string): Promise<void> {
    if (alarmed.get(name) === revision) return;
    alarmed.set(name, revision);
    await note({ kind: "port-map-failed", host: name, reason, alarm: true });
  }

  function note(event: Happening): Promise<void> {
    return store.events.add({ actor: "ports", ...event }, clock());
  }

  return { run, step };
}

function unseen({ checkHost }: Host): HostLook {
  return { address: IPV4.test(checkHost) ? checkHost : null, containers: [] };
}
