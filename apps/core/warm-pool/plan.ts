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
 * instances or is not healthy, made by another recipe, too old, not ready in time, and those beyond what is wanted, the
 * oldest first. Missing ones are started on the hosts that placement chooses next, in their free slots.
 * @param hosts all hosts, in the order of placement
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
  // One more than wanted goes on for a while: demand that swings by one would start and end the same for ever.
  const surplus = fit.slice(0, Math.max(0, fit.length - rules.wanted - SLACK));
  return [
    ...unfit.map(({ instance, reason }) => ({ kind: "end", instance, reason }) as const),
    ...surplus.map((instance) => ({ kind: "end", instance, reason: SURPLUS }) as const),
    ...starts(hosts, fit, rules),
  ];
}

const SLACK = 2;
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

function starts(hosts: readonly HostStanding[], fit: readonly WarmInstance[], rules: PoolRules): PoolStep[] {
  const steps: PoolStep[] = [];
  let missing = rules.wanted - fit.length;
  for (const { host: target, standing, occupied } of hosts) {
    if (missing <= 0) break;
    const { name, capacity } = target;
    if (standing !== "open") continue;
    const underWay =
      (rules.coldStarts.get(name) ?? 0) +
      fit.filter(({ host, state }) => state === "warming" && host.name === name).length;
    const here = Math.min(missing, capacity - occupied);
    // What does not start here now starts here later: the next host is not the one that placement chooses next.
    const startable = Math.max(0, Math.min(here, rules.startsPerHost - underWay));
    steps.push(...Array.from({ length: startable }, () => ({ kind: "start", hostName: name }) as const));
    missing -= Math.max(0, here);
  }
  return steps;
}
