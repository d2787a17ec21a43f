import type { CloudDroplet } from "./cloud.ts";
import type { CloudWord, DropletState, OrderFailures } from "./droplets.ts";
import { endOfBackoff, stepForOrder, sweeps, type ScalingAction, type ScalingRules } from "./scaling.ts";

/** As of a host, and `draining`: it gets no new clients, and is destroyed once nobody is led to it any more. */
export type GatewayDropletState = DropletState | "draining";

/** One order of a gateway, from intent to end, as it is kept. */
export type GatewayDropletRow = {
  /** Also the name of the droplet, and of the gateway it becomes. */
  readonly name: string;
  readonly state: GatewayDropletState;
  readonly dropletId: number | null;
  /** What it was ordered with; of another program, image, size or setting it is another. */
  readonly plan: string;
  readonly orderedAt: Date;
  readonly joinedAt: Date | null;
  /** Since when a gateway that had joined is not known to live. */
  readonly silentSince: Date | null;
  /** Since when it has been draining and no address record has led to it. */
  readonly drainingSince: Date | null;
};

/** A gateway of ours with all that is known of it at one moment. */
export type GatewayDropletFacts = {
  readonly row: GatewayDropletRow;
  readonly cloud: CloudWord;
  /** Whether its sign of life is there. One that is silent, or still joins, carries nobody. */
  readonly isLive: boolean;
  /** Whether an address record leads to it. Only known, and only of interest, of those that drain. */
  readonly hasRecord: boolean;
};

/** Everything that decides about the gateways' number, at one moment. */
export type GatewayFleet = {
  readonly droplets: readonly GatewayDropletFacts[];
  /** Droplets that carry the gateways' tag and that no row tracks. */
  readonly untracked: readonly CloudDroplet[];
  readonly failures: OrderFailures;
  readonly isPaused: boolean;
};

/** The rules for gateways, out of the operator's settings. Times in milliseconds. */
export type GatewayRules = Pick<ScalingRules, "bootTimeoutMs" | "settleMs" | "backoffMs" | "orphanAgeMs"> & {
  readonly wanted: number;
  readonly size: string;
  /** What one that is ordered now is ordered with. */
  readonly plan: string;
  /** Silence after which a gateway is replaced. */
  readonly silentMs: number;
  /** For so long it is kept when no address record leads to it any more: clients remember addresses, and are connected. */
  readonly drainMs: number;
};

/** One step, with the reason that the operator reads. */
export type GatewayAction =
  | Extract<ScalingAction, { kind: "order" | "adopt" | "give-up" | "delete" | "close" | "sweep" | "hold" }>
  /** It carries all routes for the first time. */
  | { readonly kind: "join"; readonly name: string; readonly reason: string }
  /** No new clients for it. */
  | { readonly kind: "drain"; readonly name: string; readonly reason: string }
  | { readonly kind: "destroy"; readonly name: string; readonly dropletId: number; readonly reason: string };

/** The timers of a gateway as they have to be kept. */
export type GatewayTimers = Pick<GatewayDropletRow, "name" | "silentSince" | "drainingSince">;

/**
 * Compares the gateways with what they should be, and names the steps towards that. A gateway goes only while as many
 * others live as are wanted, so that a look that misses some costs money and no connection; there are never more than
 * twice as many and one. While the operator pauses scaling, nothing new begins and what has begun is finished.
 */
export function planGateways(fleet: GatewayFleet, rules: GatewayRules, now: Date): GatewayAction[] {
  const { droplets, isPaused } = fleet;
  const live = droplets.filter((each) => each.row.state === "joined" && isLive(each));
  const steps = droplets.flatMap((droplet) => stepFor(droplet, live.length, fleet, rules, now) ?? []);
  if (isPaused) {
    const draining = new Set(droplets.flatMap(({ row }) => (row.state === "draining" ? row.name : [])));
    const begun = steps.filter((step) => step.kind !== "destroy" || draining.has(step.name));
    return [...begun, { kind: "hold", name: undefined, alarm: false, reason: "gateways: paused by the operator" }];
  }
  const sweeping = sweeps(fleet, rules, now);
  return [...steps, ...sweeping, ...surplus(live, rules), ...orders(fleet, live, steps, rules, now)];
}

/** Droplets of gateways that there may be at any time: each, another one in its place, and one that drains. */
export function mostDroplets({ wanted }: Pick<GatewayRules, "wanted">): number {
  return 2 * wanted + 1;
}

/** The timers that have to change. Time in which it was unknown who lives does not count: forget them then. */
export function changedGatewayTimers(droplets: readonly GatewayDropletFacts[], now: Date): GatewayTimers[] {
  const changed: GatewayTimers[] = [];
  for (const droplet of droplets) {
    const { name, state, silentSince, drainingSince } = droplet.row;
    if (state !== "joined" && state !== "draining") continue;
    const silent = isLive(droplet) ? null : (silentSince ?? now);
    const draining = state === "draining" && droplet.hasRecord ? now : drainingSince;
    if (silent !== silentSince || draining !== drainingSince)
      changed.push({ name, silentSince: silent, drainingSince: draining });
  }
  return changed;
}

function stepFor(
  droplet: GatewayDropletFacts,
  live: number,
  { untracked }: GatewayFleet,
  rules: GatewayRules,
  now: Date,
): GatewayAction | undefined {
  const { row, cloud } = droplet;
  const { name, state, dropletId } = row;
  if (state === "ordered") return stepForOrder(row, untracked, rules, now);
  if (cloud === "gone") {
    const reason = state === "destroying" ? "its droplet is gone" : "its droplet is gone, and we did not delete it";
    return { kind: "close", name, reason };
  }
  if (dropletId === null) return undefined;
  const destroy = (reason: string): GatewayAction => ({ kind: "destroy", name, dropletId, reason });
  switch (state) {
    case "booting": {
      const age = since(row.orderedAt, now);
      if (droplet.isLive)
        return { kind: "join", name, reason: `a gateway ${(age / 1000).toFixed(1)} s after its order` };
      return age < rules.bootTimeoutMs ? undefined : destroy(`no gateway ${seconds(age)} after its order`);
    }
    case "joined": {
      const silentMs = row.silentSince && !droplet.isLive ? since(row.silentSince, now) : 0;
      if (silentMs < rules.silentMs) return undefined;
      const isOff = typeof cloud === "object" && cloud.status !== "active";
      if (isOff) return destroy(`silent for ${seconds(silentMs)}, and its droplet is ${cloud.status}`);
      if (live >= rules.wanted) return destroy(`silent for ${seconds(silentMs)}, and ${count(live)} without it`);
      // It may carry clients: perhaps it is we who do not hear it.
      return { kind: "hold", name, alarm: true, reason: "silent: it stays until another one lives in its place" };
    }
    case "draining": {
      if (droplet.hasRecord) return undefined;
      if (!droplet.isLive) return destroy("drained, and it carries nobody any more");
      const quietMs = row.drainingSince ? since(row.drainingSince, now) : 0;
      return quietMs < rules.drainMs ? undefined : destroy(`no name has led to it for ${seconds(quietMs)}`);
    }
    case "destroying":
      return { kind: "delete", name, dropletId, reason: "its droplet is still there" };
    default:
      return undefined;
  }
}

/** One at a time: one that was ordered with something else first, the oldest of them; else the newest. */
function surplus(live: readonly GatewayDropletFacts[], rules: GatewayRules): GatewayAction[] {
  if (live.length <= rules.wanted) return [];
  const outdated = live.find((droplet) => isOutdated(droplet, rules));
  const droplet = outdated ?? live.at(-1);
  if (!droplet) return [];
  const why = outdated ? "it was ordered with another program, size or setting, and " : "";
  const reason = `${why}${count(live.length)}, ${rules.wanted} wanted`;
  return [{ kind: "drain", name: droplet.row.name, reason }];
}

function orders(
  { droplets, untracked, failures }: GatewayFleet,
  live: readonly GatewayDropletFacts[],
  steps: readonly GatewayAction[],
  rules: GatewayRules,
  now: Date,
): GatewayAction[] {
  if (rules.wanted === 0) return [];
  const leaving = new Set(
    steps
      .filter(({ kind }) => kind === "give-up" || kind === "destroy" || kind === "close")
      .map((step) => ("name" in step ? step.name : undefined)),
  );
  const staying = droplets.filter(({ row }) => !leaving.has(row.name));
  const coming = staying.filter(({ row: { state } }) => state === "ordered" || state === "booting").length;
  const expected = staying.filter((droplet) => isExpectedBack(droplet, rules, now)).length;
  // The next one is there before an old one goes.
  const renewed = live.some((droplet) => isOutdated(droplet, rules)) ? 1 : 0;
  if (live.length + coming + expected >= rules.wanted + renewed) return [];
  const found = `${count(live.length)} and ${coming} on the way, ${rules.wanted} wanted`;
  const shortage = renewed === 0 ? found : `${found}, and one to take the place of an outdated one`;
  const hold = (reason: string): GatewayAction[] => [{ kind: "hold", name: undefined, alarm: false, reason }];
  const existing = droplets.length + untracked.length;
  const cap = mostDroplets(rules);
  if (existing >= cap)
    return hold(`${shortage}; there are ${existing} gateway droplets, and no more than ${cap} may be`);
  const notBefore = endOfBackoff(failures, rules);
  if (notBefore > now)
    return hold(
      `${shortage}; after ${failures.inARow} failed orders the next one waits until ${notBefore.toISOString()}`,
    );
  return [{ kind: "order", size: rules.size, reason: shortage }];
}

/** A short silence, such as that of a restart, must not make the fleet order a droplet. */
function isExpectedBack(droplet: GatewayDropletFacts, rules: GatewayRules, now: Date): boolean {
  const { row, cloud } = droplet;
  if (row.state !== "joined" || isLive(droplet) || cloud === "gone") return false;
  return row.silentSince === null || since(row.silentSince, now) < rules.silentMs;
}

function isLive({ isLive: says, cloud }: GatewayDropletFacts): boolean {
  return says && cloud !== "gone";
}

function isOutdated({ row }: GatewayDropletFacts, { plan }: GatewayRules): boolean {
  return row.plan !== plan;
}

function count(live: number): string {
  return `${live} ${live === 1 ? "gateway lives" : "gateways live"}`;
}

function since(moment: Date, now: Date): number {
  return now.getTime() - moment.getTime();
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1000)} s`;
}
