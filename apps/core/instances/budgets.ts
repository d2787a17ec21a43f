import type { ListedNetworks } from "./listed-networks.ts";
import { networkKey } from "./quota.ts";

/** How many instances may be held at once, and how many may be begun within a day. */
export type Budget = { readonly live: number; readonly startsPerDay: number };

/** What a hand-out is counted against, besides the room there is. */
export type Budgets = {
  readonly address: Budget;
  /** The address's networks, each by its key, the smallest first. */
  readonly networks: readonly (Budget & { readonly key: string })[];
  /**
   * Set while no more slots are free than are kept for newcomers: who holds none, has begun none within a day,
   * and is in a network that holds fewer than `mostInNetwork`.
   */
  readonly newcomersOnly: { readonly mostInNetwork: number } | undefined;
};

/** Hand-outs begun within an hour, which is named by its beginning. */
export type HourOfStarts = { readonly hour: Date; readonly starts: number };

/** What an address and its networks hold and have begun within a day, at the moment of a hand-out. */
export type BudgetUse = {
  readonly address: { readonly live: number; readonly started: readonly HourOfStarts[] };
  /** In the order of the budgets; `ends` is when each of its live instances ends at the latest. */
  readonly networks: readonly { readonly ends: readonly Date[]; readonly started: readonly HourOfStarts[] }[];
};

/** A budget that is used up, and when it has room again. */
export type BudgetRefusal =
  | { readonly kind: "network-quota-exceeded"; readonly most: number; readonly nextFreeAt: Date }
  | {
      readonly kind: "starts-exceeded";
      readonly of: "address" | "network";
      readonly most: number;
      readonly nextFreeAt: Date;
    }
  | { readonly kind: "kept-for-newcomers" };

/** What an address and its networks may hold and begin. A listed network's addresses share as much as a network. */
export type BudgetRules = {
  readonly quotaPerAddress: number;
  readonly quotaPerNetwork: number;
  readonly startsPerAddress: number;
  readonly startsPerNetwork: number;
  readonly listedNetworks: ListedNetworks;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The budgets of an address, which is named by its key, while all may have slots or newcomers only. */
export function budgetsOf(address: string, rules: BudgetRules, newcomersOnly: boolean): Budgets {
  const budget = { live: rules.quotaPerNetwork, startsPerDay: rules.startsPerNetwork };
  const listed = rules.listedNetworks(address);
  return {
    address: { live: rules.quotaPerAddress, startsPerDay: rules.startsPerAddress },
    networks: [networkKey(address), ...(listed === undefined ? [] : [`list:${listed}`])].map((key) => ({
      key,
      ...budget,
    })),
    // One network cannot take all that is kept, however many addresses it has.
    newcomersOnly: newcomersOnly ? { mostInNetwork: rules.quotaPerAddress } : undefined,
  };
}

/** Beginning of the hour that a moment is in. */
export function hourOf(moment: Date): Date {
  return new Date(Math.floor(moment.getTime() / HOUR_MS) * HOUR_MS);
}

/** Beginning of the first hour that counts for the day before `now`. Starts of earlier hours are over. */
export function dayBegins(now: Date): Date {
  return new Date(hourOf(now).getTime() - DAY_MS + HOUR_MS);
}

/**
 * Why one more hand-out would pass a budget, or undefined. The quota of the address is not looked at. What
 * concerns the address alone comes before what concerns its networks.
 */
export function budgetRefusal(use: BudgetUse, budgets: Budgets): BudgetRefusal | undefined {
  const spent = startsRefusal("address", use.address.started, budgets.address);
  if (spent) return spent;
  for (const [index, budget] of budgets.networks.entries()) {
    const { ends, started } = use.networks[index] ?? { ends: [], started: [] };
    if (ends.length >= budget.live)
      return {
        kind: "network-quota-exceeded",
        most: budget.live,
        nextFreeAt: new Date(Math.min(...ends.map((end) => end.getTime()))),
      };
    const exceeded = startsRefusal("network", started, budget);
    if (exceeded) return exceeded;
  }
  return budgets.newcomersOnly && !isNewcomer(use, budgets.newcomersOnly.mostInNetwork)
    ? { kind: "kept-for-newcomers" }
    : undefined;
}

function startsRefusal(
  of: "address" | "network",
  started: readonly HourOfStarts[],
  { startsPerDay: most }: Budget,
): BudgetRefusal | undefined {
  if (sumOf(started) < most) return undefined;
  const oldest = Math.min(...started.filter(({ starts }) => starts > 0).map(({ hour }) => hour.getTime()));
  return { kind: "starts-exceeded", of, most, nextFreeAt: new Date(oldest + DAY_MS) };
}

function isNewcomer({ address, networks }: BudgetUse, mostInNetwork: number): boolean {
  return (
    address.live === 0 && sumOf(address.started) === 0 && networks.every(({ ends }) => ends.length < mostInNetwork)
  );
}

function sumOf(started: readonly HourOfStarts[]): number {
  return started.reduce((sum, { starts }) => sum + starts, 0);
}
