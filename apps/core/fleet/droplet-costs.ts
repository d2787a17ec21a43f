import type { DropletLife } from "./droplets.ts";

/** How long a droplet existed, and its price. */
export type DropletCost = Pick<DropletLife, "dropletId" | "hourlyPrice" | "orderedAt" | "goneAt">;

/**
 * Hours that droplets existed from `from` to `to`, and what that costs in US dollars. An order without a
 * droplet costs nothing.
 */
export function costOf(
  droplets: readonly DropletCost[],
  from: Date,
  to: Date,
): { readonly hours: number; readonly dollars: number } {
  let hours = 0;
  let dollars = 0;
  for (const { dropletId, hourlyPrice, orderedAt, goneAt } of droplets) {
    if (dropletId === null) continue;
    const ms = Math.min((goneAt ?? to).getTime(), to.getTime()) - Math.max(orderedAt.getTime(), from.getTime());
    if (ms <= 0) continue;
    hours += ms / 3_600_000;
    dollars += (ms / 3_600_000) * (hourlyPrice ?? 0);
  }
  return { hours, dollars };
}
