import type { HostStanding } from "../fleet/fleet-cache.ts";
import type { Standing } from "../fleet/standing.ts";
import type { WarmInstance } from "./contract.ts";

/** One step of the pool: an instance that nobody holds yet begins or ends, and why. */
export type PoolStep =
  | { readonly kind: "start"; readonly hostName: string }
  | { readonly kind: "end"; readonly instance: WarmInstance; readonly reason: string };

const SURPLUS = "more are ready than are asked for";
const AGED = "it has been ready for long";
/** Reasons of ends that come and go all day while all is well. */
export const usualReasons: ReadonlySet<string> = new Set([SURPLUS, AGED]);

/** What the plan goes by. */
export type PoolRules = {
  /** Instances that are to be ready. */
  readonly wanted: number;
  readonly recipe: Buffer;
  readonly maxAgeMs: number;
  /** Instances that are started at once on one host, so that those who wait for a cold one are not slowed. */
  readonly startsPerHost: number;
  /** Instances that hand-outs are starting at this moment, by host: they count among these. */
  readonly coldStarts: ReadonlyMap<string, number>;
};

/**
 * Compares the pool with what it should be. Ended are those that no hand-out should get: on a host that takes no
 * instances or is not healthy, made by another recipe, too old, not ready in time. Wanted ones are kept, or started in
 * free slots, on the hosts that placement chooses next; of the others, those beyond what is wanted end, the oldest
 * first. One that is nearly too old is replaced before it ends: otherwise all that were started together would end
 * together, and leave none.
 * @param hosts all hosts, in the order of placement
 * @param pool all that are warming or warm, the oldest first
 */
export function planPool(
  hosts: readonly HostStanding[],
  pool: readonly WarmInstance[],
  rules: PoolRules,
  now: Date,
): PoolStep[] {
  const byName = new Map(hosts.map((host) => [host.host.name, host]));
  const judged = pool.map((instance) => ({ instance, reason: faultOf(instance, byName, rules, now) }));
  const unfit = judged.flatMap(({ instance, reason }) => (reason === undefined ? [] : { instance, reason }));
  const fit = judged.flatMap(({ instance, reason }) => (reason === undefined ? instance : []));
  const { starts, kept } = place(hosts, byName, fit, rules, now);
  const slack = rules.wanted === 0 ? 0 : SLACK;
  const surplus = fit
    .filter((instance) => !kept.has(instance))
    .slice(0, Math.max(0, fit.length - rules.wanted - slack));
  return [
    ...unfit.map(({ instance, reason }) => ({ kind: "end", instance, reason }) as const),
    ...surplus.map((instance) => ({ kind: "end", instance, reason: SURPLUS }) as const),
    ...starts,
  ];
}

/** So many more than wanted stay: demand that goes up and down a little would start and end the same for ever. */
const SLACK = 2;
/** Part of the greatest age from which on an instance is replaced. */
const REPLACED_FROM = 0.9;
/** Standings of hosts whose warm instances can be handed out now or in a moment. */
const keepsReady: ReadonlySet<Standing> = new Set(["open", "full", "backing-off"]);

function faultOf(
  { host, recipe, createdAt, state, deadline }: WarmInstance,
  hosts: ReadonlyMap<string, HostStanding>,
  rules: PoolRules,
  now: Date,
): string | undefined {
  // A host that joined a moment ago may not be in view yet.
  const standing = hosts.get(host.name)?.standing ?? "open";
  if (!keepsReady.has(standing)) return `its host is ${standing}`;
  if (!recipe.equals(rules.recipe)) return "it was made by other settings, another image or another secret";
  if (now.getTime() - createdAt.getTime() >= rules.maxAgeMs) return AGED;
  if (state === "warming" && deadline <= now) return "it was not ready in time";
  return undefined;
}

/**
 * Which of the fit ones are where they are wanted, and where others are started. What cannot start on a host now starts
 * there later, and not on the next one, which is not the one that placement chooses next.
 */
function place(
  hosts: readonly HostStanding[],
  byName: ReadonlyMap<string, HostStanding>,
  fit: readonly WarmInstance[],
  rules: PoolRules,
  now: Date,
): { readonly starts: PoolStep[]; readonly kept: ReadonlySet<WarmInstance> } {
  const isYoung = ({ createdAt }: WarmInstance) => now.getTime() - createdAt.getTime() < REPLACED_FROM * rules.maxAgeMs;
  const onHost = Map.groupBy(fit, ({ host }) => host.name);
  const starts: PoolStep[] = [];
  const kept = new Set(fit.filter(({ host }) => !byName.has(host.name)));
  let missing = rules.wanted - kept.size;
  for (const { host, standing, occupied } of hosts) {
    if (missing <= 0) break;
    const { name: hostName, capacity } = host;
    const here = onHost.get(hostName) ?? [];
    const young = here.filter(isYoung);
    for (const instance of young.slice(-missing)) kept.add(instance);
    const free = standing === "open" ? Math.max(0, capacity - occupied) : 0;
    const wantedHere = Math.min(missing, here.length + free);
    const underWay = (rules.coldStarts.get(hostName) ?? 0) + young.filter(({ state }) => state === "warming").length;
    const startable = Math.min(wantedHere - young.length, free, rules.startsPerHost - underWay);
    for (let start = 0; start < startable; start++) starts.push({ kind: "start", hostName });
    missing -= wantedHere;
  }
  return { starts, kept };
}
