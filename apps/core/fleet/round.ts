import pMap from "p-map";
import { Unavailable } from "../../lib/unavailable.ts";
import type { Droplets, ReadHeartbeats } from "./contract.ts";
import { EngineFault } from "./engine-fault.ts";
import type { EngineHost } from "./host.ts";

/** What a round needs to know. */
export type RoundPorts = {
  readonly store: { readonly droplets: Pick<Droplets, "listUnreached"> };
  readonly readHeartbeats: ReadHeartbeats;
  readonly clock: () => Date;
};

/** Hosts visited at once, and milliseconds that the visit of one may take. */
export type RoundLimits = { readonly concurrency: number; readonly hostBudgetMs: number };

/** Milliseconds that a visit has left. @throws EngineFault when it has none: the next round goes on. */
export type TimeLeft = () => number;

/** For a host whose heartbeat does not arrive, or whose engine did not answer before: most likely it will not now. */
const SILENT_BUDGET_MS = 2_000;
/** Waiting for silent hosts costs a socket each and nothing else. */
const SILENT_AT_ONCE = 64;
/** In one round; with the two figures above, silent hosts take it eight seconds at most. */
const SILENT_A_ROUND = 256;

/** Each next part of the golden ratio falls into the widest gap that the parts before have left. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;
const MINUTE_MS = 60_000;

/**
 * Goes round hosts for a job so that none of them holds up the others: those first whose heartbeats arrive and whose
 * engines have answered when they were checked, then silent ones, many at once and shortly. Of very many silent hosts,
 * each round visits some, and later rounds the others. While Redis does not answer, no heartbeat counts as missing.
 * @returns the results of the visits
 * @throws Unavailable when MySQL does not answer
 */
export async function goRound<Host extends EngineHost, Result>(
  { store, readHeartbeats, clock }: RoundPorts,
  hosts: readonly Host[],
  { concurrency, hostBudgetMs }: RoundLimits,
  visit: (host: Host, timeLeft: TimeLeft) => Promise<Result>,
): Promise<Result[]> {
  const hasBeat = await heardAmong(readHeartbeats, hosts);
  const unreached = new Set(await store.droplets.listUnreached());
  const isHeard = (name: string) => hasBeat(name) && !unreached.has(name);
  const within = (budgetMs: number) => (host: Host) => {
    const end = clock().getTime() + budgetMs;
    return visit(host, () => {
      const leftMs = end - clock().getTime();
      if (leftMs <= 0) throw new EngineFault("timeout", host.name, new Error("its time of this run is used up"));
      return leftMs;
    });
  };
  const heard = await pMap(
    hosts.filter(({ name }) => isHeard(name)),
    within(hostBudgetMs),
    { concurrency },
  );
  const silent = await pMap(
    takingTurns(
      hosts.filter(({ name }) => !isHeard(name)),
      clock(),
    ).slice(0, SILENT_A_ROUND),
    within(Math.min(SILENT_BUDGET_MS, hostBudgetMs)),
    { concurrency: SILENT_AT_ONCE },
  );
  return [...heard, ...silent];
}

/**
 * The same things in the same circle, begun elsewhere in each minute: where only the first few of a list are
 * reached, all of them are before long.
 */
export function takingTurns<Thing>(things: readonly Thing[], now: Date): Thing[] {
  const minute = Math.floor(now.getTime() / MINUTE_MS);
  const first = Math.floor(((minute * GOLDEN_RATIO) % 1) * things.length);
  return [...things.slice(first), ...things.slice(0, first)];
}

async function heardAmong(
  readHeartbeats: ReadHeartbeats,
  hosts: readonly EngineHost[],
): Promise<(name: string) => boolean> {
  try {
    const heartbeats = await readHeartbeats(hosts.map(({ name }) => name));
    return (name) => heartbeats.has(name);
  } catch (fault) {
    if (fault instanceof Unavailable) return () => true;
    throw fault;
  }
}
