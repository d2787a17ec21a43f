import { setTimeout as sleep } from "node:timers/promises";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import { createRedisDiscovery, openRedis } from "../../apps/adapters/redis/discovery.ts";
import type { ReadHeartbeats } from "../../apps/core/fleet/contract.ts";
import { isStandby, type HostFacts } from "../../apps/core/fleet/standing.ts";
import type { Store } from "../../apps/core/store.ts";
import type { Lab } from "./lab.ts";
import type { LabOptions } from "./options.ts";
import { startClient, type LabClient } from "./clients.ts";
import { drawFleet, shortName } from "./drawing.ts";
import { cutOneGateway } from "./power-cut.ts";

const LOOK_MS = 100;
/** What the first host may take, and the way back to one after the last lease. */
const PATIENCE_MS = 120_000;

/** The outcome of a life. */
export interface LifeReport {
  handedOut: number;
  refused: number;
  /** Seconds from each order to a host that takes instances. */
  joinSeconds: number[];
  dropletsMade: number;
  /** Droplets that there were at once, at most. */
  most: number;
  apiCalls: number;
  /** Memory of an idle droplet's processes in MB. */
  dropletMb: number;
  /** What clients saw when a gateway lost its power, in a sentence; undefined when none did. */
  cut: string | undefined;
}

/**
 * Lets instances arrive, prints each decision of the fleet with its reason, and draws the fleet whenever it
 * changes, until all leases are over and the wanted standbys are all that is left.
 * @throws when that does not happen, or `signal.reason` when the signal aborts
 */
export async function liveOneLife(
  lab: Lab,
  options: LabOptions,
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<LifeReport> {
  const store = createMysqlStore(lab.mysqlUrl);
  const redis = openRedis(lab.redisUrl, () => undefined);
  const readHosts = hostReader(store, createRedisDiscovery(redis).readHeartbeats);
  const over = new AbortController();
  const end = AbortSignal.any([signal, over.signal]);
  const report: LifeReport = {
    handedOut: 0,
    refused: 0,
    joinSeconds: [],
    dropletsMade: 0,
    most: 0,
    apiCalls: 0,
    dropletMb: 0,
    cut: undefined,
  };
  const clients: LabClient[] = [];
  const telling = narrate(lab, store, readHosts, report, tell, end);
  try {
    await until(
      async () =>
        (await hasStandbys(readHosts, options)) &&
        (await hasGateways(lab, options)) &&
        (options.standbys === 0 || (await isReady(lab))),
      signal,
    );
    await arrive(lab, options, report, clients, tell, signal);
    await Promise.all(clients.map(({ stop }) => stop()));
    await until(async () => await isAtRest(lab, store, readHosts, options), signal, options.lease * 1000 + PATIENCE_MS);
    const [first] = (await store.droplets.list()).flatMap(({ dropletId }) => dropletId ?? []);
    if (first !== undefined) report.dropletMb = await lab.room.memoryMb(first);
    report.dropletsMade = lab.cloud.everMade().length;
    report.apiCalls = Object.values(lab.cloud.calls.counts()).reduce((sum, count) => sum + count, 0);
    return report;
  } finally {
    over.abort();
    await Promise.all(clients.map(({ stop }) => stop()));
    await telling;
    redis.disconnect();
    await store.disconnect();
  }
}

async function arrive(
  lab: Lab,
  options: LabOptions,
  report: LifeReport,
  clients: LabClient[],
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const arrivals: Promise<void>[] = [];
  let cut: Promise<string> | undefined;
  for (let number = 1; number <= options.arrivals; number++) {
    arrivals.push(askFor(lab, number, options.lease, report, clients, tell));
    if (options.gateways > 1 && number === Math.ceil(options.arrivals / 2)) {
      await Promise.all(arrivals);
      if (lab.edge && clients.length > 0) cut = cutOneGateway(lab.edge, clients, tell, signal);
    }
    await sleep(options.every * 1000, undefined, { signal });
  }
  await Promise.all(arrivals);
  report.cut = await cut;
}

async function askFor(
  lab: Lab,
  number: number,
  ttlSeconds: number,
  report: LifeReport,
  clients: LabClient[],
  tell: (text: string) => void,
): Promise<void> {
  const startedAt = performance.now();
  const answer = await fetch(`${lab.origin}/instances`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ttlSeconds }),
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(2);
  const body = (await answer.json()) as { host?: string; port?: number; url?: string; title?: string };
  if (answer.status === 201) {
    report.handedOut++;
    tell(`arrival ${number}: a Redis at ${body.host ?? "?"}:${body.port ?? 0} after ${seconds} s, for ${ttlSeconds} s`);
    if (lab.edge && body.url !== undefined) clients.push(startClient(body.url, lab.edge, () => performance.now()));
  } else {
    report.refused++;
    tell(`arrival ${number}: ${answer.status} ${body.title ?? ""}`);
  }
}

/** Tells events as they come, and draws the fleet when it has changed. */
async function narrate(
  lab: Lab,
  store: Store,
  readHosts: ReadHosts,
  report: LifeReport,
  tell: (text: string) => void,
  end: AbortSignal,
): Promise<void> {
  let told = 0;
  let drawn = "";
  while (!end.aborted) {
    try {
      for (const event of (await store.events.list({ after: told }, 100)).reverse()) {
        told = event.id;
        tell(
          `${event.actor} ${event.kind}${event.host === undefined ? "" : ` ${shortName(event.host)}`}: ${event.reason}`,
        );
        if (event.kind === "join" && event.data) report.joinSeconds.push(event.data.secondsAfterOrder);
      }
      const droplets = await store.droplets.list();
      const hosts = await readHosts();
      const drawing = drawFleet(droplets, hosts);
      if (drawing !== drawn) tell(`  ${drawing}`);
      drawn = drawing;
    } catch (fault) {
      tell(`cannot read the state of the fleet: ${String(fault)}`);
    }
    report.most = Math.max(report.most, lab.cloud.droplets().length);
    await sleep(LOOK_MS, undefined, { signal: end }).catch(() => undefined);
  }
}

async function isReady({ origin }: Lab): Promise<boolean> {
  return (await fetch(`${origin}/readyz`)).ok;
}

async function hasStandbys(readHosts: ReadHosts, { standbys }: LabOptions): Promise<boolean> {
  return (await readHosts()).filter(isStandby).length >= standbys;
}

async function hasGateways({ edge }: Lab, { gateways }: LabOptions): Promise<boolean> {
  return edge === undefined || (await edge.resolve().catch(() => [])).length === gateways;
}

/** Hosts with their last heartbeats. */
type ReadHosts = () => Promise<readonly HostFacts[]>;

function hostReader(store: Store, readHeartbeats: ReadHeartbeats): ReadHosts {
  return async () => {
    const hosts = await store.hosts.list();
    const heartbeats = await readHeartbeats(hosts.map(({ host }) => host.name));
    return hosts.map((use) => ({ ...use, heartbeat: heartbeats.get(use.host.name) }));
  };
}

async function isAtRest(lab: Lab, store: Store, readHosts: ReadHosts, options: LabOptions): Promise<boolean> {
  const droplets = await store.droplets.list();
  return (
    droplets.length === options.standbys &&
    lab.cloud.droplets().length === options.standbys + options.gateways &&
    (await hasStandbys(readHosts, options))
  );
}

async function until(condition: () => Promise<boolean>, signal: AbortSignal, patienceMs = PATIENCE_MS): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await condition())) {
    signal.throwIfAborted();
    if (performance.now() > deadline)
      throw new Error(
        `the fleet has not come to rest within ${Math.round(patienceMs / 1000)} s: its log and the events above ` +
          "say why",
      );
    await sleep(LOOK_MS);
  }
}
