import type { CloudDroplet } from "./cloud.ts";
import { isUnused } from "./host.ts";
import { isHealthy as hostIsHealthy, isStandby as hostIsStandby, symptomOf } from "./standing.ts";
import { wantedEmpty } from "./foresight.ts";
import type { BlindSnapshot, DropletFacts, DropletRow, FleetSnapshot, OrderFailures } from "./droplets.ts";

/** The job of the fleet's scaling: its leader alone, by its term, writes what costs money or moves hosts. */
export const SCALING = "scale";

/** One step of the scaling, with the reason that the operator reads. */
export type ScalingAction =
  | { readonly kind: "order"; readonly size: string; readonly reason: string }
  /** An order whose answer was lost has made this droplet. */
  | { readonly kind: "adopt"; readonly name: string; readonly dropletId: number; readonly reason: string }
  /** An order that has made no droplet. */
  | { readonly kind: "give-up"; readonly name: string; readonly reason: string }
  /** No more instances for this empty host; it is destroyed next. */
  | { readonly kind: "drain"; readonly name: string; readonly reason: string }
  /** `engine`: whether its engine must confirm that it is empty, or cannot. `leases`: whether they are lost with it. */
  | {
      readonly kind: "destroy";
      readonly name: string;
      readonly engine: "confirms" | "silent";
      readonly leases: "none" | "lost";
      readonly reason: string;
    }
  /** Asks the cloud again to delete a droplet that is being destroyed. */
  | { readonly kind: "delete"; readonly name: string; readonly dropletId: number; readonly reason: string }
  /** The droplet is gone: its row is closed, and leases that it still had are lost. */
  | { readonly kind: "close"; readonly name: string; readonly reason: string }
  /** A droplet with our tag that nobody tracks. */
  | { readonly kind: "sweep"; readonly name: string; readonly dropletId: number; readonly reason: string }
  /** A step that is needed and must wait. An alarm needs a person. */
  | { readonly kind: "hold"; readonly name: string | undefined; readonly alarm: boolean; readonly reason: string };

/** The rules of the fleet, out of the operator's settings. Times in milliseconds. */
export type ScalingRules = {
  /** Empty hosts kept ready while nothing is asked for; with 0 none is ever ordered. */
  readonly standbys: number;
  readonly cap: number;
  /** Most orders of one step. */
  readonly ordersPerRun: number;
  /** In order of preference. */
  readonly sizes: readonly [string, ...string[]];
  readonly surplusMs: number;
  readonly bootTimeoutMs: number;
  readonly settleMs: number;
  readonly backoffMs: number;
  readonly orphanAgeMs: number;
  readonly silentReplaceMs: number;
  readonly silentGraceMs: number;
};

/** A host's timers as they have to be kept after a snapshot. */
export type HostTimers = {
  readonly name: string;
  readonly idleSince: Date | null;
  readonly unhealthySince: Date | null;
};

const LONGEST_BACKOFF_MS = 3_600_000;

/**
 * Compares a fleet with what it should be, and names the steps towards that. Get A Redis kept one empty host in
 * the same way; here booting droplets count, a silent host is not taken for gone, and the cap holds. While the
 * operator pauses scaling, nothing new begins and what has begun is finished; destroy requests are carried out
 * in any case.
 */
export function decideScaling(
  snapshot: FleetSnapshot | BlindSnapshot,
  rules: ScalingRules,
  now: Date,
): ScalingAction[] {
  if ("blind" in snapshot) return [{ kind: "hold", name: undefined, alarm: true, reason: snapshot.blind }];
  const { destroyRequests, isPaused } = snapshot.operator;
  const blindness = whyBlind(snapshot, rules, now);
  if (isPaused || blindness !== undefined) {
    const asked = snapshot.droplets.flatMap((droplet) => stepAskedFor(droplet, destroyRequests) ?? []);
    const begun = snapshot.droplets
      .filter(({ row }) => row.state === "ordered" || row.state === "destroying")
      .flatMap((droplet) => stepFor(droplet, snapshot.untracked, rules, now) ?? []);
    return [
      ...asked,
      ...begun,
      { kind: "hold", name: undefined, alarm: blindness !== undefined, reason: blindness ?? "paused by the operator" },
    ];
  }
  const steps: ScalingAction[] = [];
  for (const droplet of snapshot.droplets) {
    const step = stepAskedFor(droplet, destroyRequests) ?? stepFor(droplet, snapshot.untracked, rules, now);
    if (step) steps.push(step);
  }
  // Ordered one after the other, more than the standbys would come too late to be of use.
  const wanted = rules.ordersPerRun > 1 ? wantedEmpty(snapshot, rules.standbys) : rules.standbys;
  return [
    ...steps,
    ...sweeps(snapshot, rules, now),
    ...surplus(snapshot.droplets, wanted, rules, now),
    ...orders(snapshot, steps, wanted, rules, now),
  ];
}

/**
 * Why the snapshot cannot be trusted; undefined when it can. Steps that were begun or asked for go on all the
 * same.
 */
export function whyBlind(snapshot: FleetSnapshot | BlindSnapshot, rules: ScalingRules, now: Date): string | undefined {
  if ("blind" in snapshot) return snapshot.blind;
  return tooManyGone(snapshot) ?? tooManySilent(snapshot.droplets, rules, now);
}

/** Whether a droplet is a healthy host. A droplet that the cloud does not know any more is none. */
export function isHealthy({ host, cloud }: DropletFacts): boolean {
  return cloud !== "gone" && host !== undefined && hostIsHealthy(host);
}

/** The timers of the hosts whose timers have to change. */
export function changedTimers(droplets: readonly DropletFacts[], now: Date): HostTimers[] {
  const changed: HostTimers[] = [];
  for (const droplet of droplets) {
    const { row, host } = droplet;
    if (row.state !== "joined" || !host) continue;
    const idleSince = isUnused(host) ? (row.idleSince ?? now) : null;
    const unhealthySince = isHealthy(droplet) ? null : (row.unhealthySince ?? now);
    if (idleSince !== row.idleSince || unhealthySince !== row.unhealthySince)
      changed.push({ name: row.name, idleSince, unhealthySince });
  }
  return changed;
}

/**
 * A droplet that the cloud does not know, and whose heartbeat arrives, belongs to another account: the token is
 * not the one it was made with. The same holds for many that are gone at once, unless the account shows others
 * of ours.
 */
function tooManyGone({ droplets, untracked }: FleetSnapshot): string | undefined {
  let joined = 0;
  let gone = 0;
  let beating = 0;
  for (const { row, cloud, host } of droplets) {
    if (row.state !== "joined") continue;
    joined++;
    if (cloud !== "gone") continue;
    gone++;
    if (host?.heartbeat?.kind === "beat") beating++;
  }
  if (beating > 0)
    return (
      `the cloud knows nothing of ${beating} of ${joined} hosts whose heartbeats arrive: ` +
      "is the token another account's?"
    );
  const isOurAccount = untracked.length > 0 || droplets.some(({ cloud }) => typeof cloud === "object");
  if (isOurAccount || gone < 2 || gone * 2 <= joined) return undefined;
  return `the cloud knows nothing of ${gone} of ${joined} hosts: is the token another account's?`;
}

/**
 * When many hosts fall silent or out of reach at once, the hosts are not gone: the control plane does not see
 * them. Hosts that the cloud reports as off, closed hosts, and hosts that have been silent for long do not
 * count; a single silent host is handled by itself.
 */
function tooManySilent(droplets: readonly DropletFacts[], rules: ScalingRules, now: Date): string | undefined {
  const isNew = ({ row }: DropletFacts) =>
    row.unhealthySince === null || since(row.unhealthySince, now) < rules.silentGraceMs;
  const isOn = ({ cloud }: DropletFacts) => cloud === "unlisted" || (cloud !== "gone" && cloud.status === "active");
  let expected = 0;
  let silent = 0;
  for (const droplet of droplets) {
    const { row, host } = droplet;
    if (row.state !== "joined" || host?.host.state !== "active" || !isOn(droplet) || !isNew(droplet)) continue;
    expected++;
    if (host.heartbeat?.kind !== "beat" || host.unreachableSince !== null) silent++;
  }
  if (silent < 2 || silent * 2 <= expected) return undefined;
  return (
    `${silent} of ${expected} hosts are silent at once, and the cloud reports them as on: ` +
    "the control plane probably does not see them. If they are lost for good, cordon them"
  );
}

/**
 * The step for a destroy request, undefined when there is none. The host's engine must confirm that it is
 * empty, unless it cannot answer or the leases are to be lost.
 */
function stepAskedFor(
  droplet: DropletFacts,
  destroyRequests: ReadonlyMap<string, "none" | "lost">,
): ScalingAction | undefined {
  const { row, cloud } = droplet;
  const leases = destroyRequests.get(row.name);
  if (leases === undefined || (row.state !== "booting" && row.state !== "joined")) return undefined;
  if (cloud === "gone")
    return { kind: "close", name: row.name, reason: "asked for by the operator, and its droplet is gone" };
  return {
    kind: "destroy",
    name: row.name,
    engine: leases === "lost" || !isHealthy(droplet) ? "silent" : "confirms",
    leases,
    reason: "asked for by the operator",
  };
}

function stepFor(
  droplet: DropletFacts,
  untracked: readonly CloudDroplet[],
  rules: ScalingRules,
  now: Date,
): ScalingAction | undefined {
  const { row, cloud } = droplet;
  const { name } = row;
  if (row.state === "ordered") return stepForOrder(row, untracked, rules, now);
  if (cloud === "gone")
    return {
      kind: "close",
      name,
      reason: row.state === "destroying" ? "its droplet is gone" : "its droplet is gone, and we did not delete it",
    };
  if (row.state === "destroying")
    return row.dropletId === null
      ? undefined
      : { kind: "delete", name, dropletId: row.dropletId, reason: "its droplet is still there" };
  if (row.state === "booting") {
    const age = since(row.orderedAt, now);
    if (age < rules.bootTimeoutMs) return undefined;
    return {
      kind: "destroy",
      name,
      engine: "silent",
      leases: "none",
      reason: `no host ${seconds(age)} after its order`,
    };
  }
  return stepForHost(droplet, rules, now);
}

/** The step for an order whose answer was lost. */
export function stepForOrder(
  { name, orderedAt }: Pick<DropletRow, "name" | "orderedAt">,
  untracked: readonly CloudDroplet[],
  rules: Pick<ScalingRules, "settleMs">,
  now: Date,
): Extract<ScalingAction, { kind: "adopt" | "give-up" }> | undefined {
  // When there are several, the others stay untracked, and are swept.
  const [made] = untracked.filter((droplet) => droplet.name === name).sort((a, b) => a.id - b.id);
  if (made)
    return { kind: "adopt", name, dropletId: made.id, reason: "the order's answer was lost, and the droplet is there" };
  const age = since(orderedAt, now);
  if (age < rules.settleMs) return undefined;
  return { kind: "give-up", name, reason: `no droplet of this name ${seconds(age)} after the order` };
}

function stepForHost(droplet: DropletFacts, rules: ScalingRules, now: Date): ScalingAction | undefined {
  const { row, host, cloud } = droplet;
  if (!host) return undefined;
  const { name } = row;
  const unhealthyMs = row.unhealthySince && !isHealthy(droplet) ? since(row.unhealthySince, now) : 0;
  if (unhealthyMs >= rules.silentGraceMs) {
    const reason = `${symptomText(droplet)} for ${seconds(unhealthyMs)}`;
    if (isUnused(host))
      return { kind: "destroy", name, engine: "silent", leases: "none", reason: `${reason}, and without leases` };
    if (typeof cloud === "object" && cloud.status !== "active")
      return {
        kind: "destroy",
        name,
        engine: "silent",
        leases: "lost",
        reason: `${reason}, and its droplet is ${cloud.status}`,
      };
    return { kind: "hold", name, alarm: true, reason: `${symptomText(droplet)}, but ${whatRunsOn(host)}` };
  }
  if (host.host.state !== "draining" || host.occupied > 0 || !isUnused(host)) return undefined;
  return { kind: "destroy", name, engine: "confirms", leases: "none", reason: "drained and empty" };
}

function whatRunsOn({ inUse }: NonNullable<DropletFacts["host"]>): string {
  return inUse > 0 ? "its leases run on" : "it works for operators";
}

/** Droplets that carry our tag and that nobody tracks go once they are old enough to be no order under way. */
export function sweeps(
  {
    untracked,
    droplets,
  }: {
    readonly untracked: readonly CloudDroplet[];
    readonly droplets: readonly { readonly row: { readonly name: string; readonly state: string } }[];
  },
  rules: Pick<ScalingRules, "orphanAgeMs">,
  now: Date,
): Extract<ScalingAction, { kind: "sweep" }>[] {
  const awaited = new Set(droplets.filter(({ row }) => row.state === "ordered").map(({ row }) => row.name));
  return untracked
    .filter((droplet) => !awaited.has(droplet.name) && since(droplet.createdAt, now) >= rules.orphanAgeMs)
    .map(({ id, name, createdAt }) => ({
      kind: "sweep",
      name,
      dropletId: id,
      reason: `it carries our tag, nobody tracks it, and it was made at ${createdAt.toISOString()}`,
    }));
}

/** What is wrong with a host, as the operator reads it. */
function symptomText({ host }: DropletFacts): string {
  const symptom = host && symptomOf(host);
  return symptom === undefined ? "unhealthy" : symptomTexts[symptom];
}

const symptomTexts: Readonly<Record<NonNullable<ReturnType<typeof symptomOf>>, string>> = {
  silent: "silent",
  "heartbeat-refused": "with a refused heartbeat",
  "engine-silent": "with a silent engine",
  unreachable: "out of reach",
};

/** Empty hosts beyond those wanted, the newest first: the oldest has worked well for the longest time. */
function surplus(droplets: readonly DropletFacts[], wanted: number, rules: ScalingRules, now: Date): ScalingAction[] {
  const standbys = droplets.filter(isStandby);
  if (standbys.length <= wanted) return [];
  return standbys
    .sort((a, b) => joinedAt(b) - joinedAt(a) || (a.row.name < b.row.name ? 1 : -1))
    .slice(0, standbys.length - wanted)
    .filter(({ row }) => row.idleSince !== null && since(row.idleSince, now) >= rules.surplusMs)
    .map(({ row }) => ({
      kind: "drain",
      name: row.name,
      reason: `${standbys.length} empty hosts, ${wanted} wanted`,
    }));
}

function orders(
  { droplets, untracked, failures }: FleetSnapshot,
  steps: readonly ScalingAction[],
  wanted: number,
  rules: ScalingRules,
  now: Date,
): ScalingAction[] {
  const leaving = new Set(
    steps
      .filter(({ kind }) => kind === "give-up" || kind === "destroy" || kind === "close")
      .map((step) => ("name" in step ? step.name : undefined)),
  );
  let standbys = 0;
  let onTheirWay = 0;
  let expectedBack = 0;
  for (const droplet of droplets) {
    const { name, state } = droplet.row;
    if ((state === "joined" && droplet.host && !isUnused(droplet.host)) || leaving.has(name)) continue;
    if (state === "ordered" || state === "booting") onTheirWay++;
    else if (isStandby(droplet)) standbys++;
    else if (isExpectedBack(droplet, rules, now)) expectedBack++;
  }
  const missing = wanted - standbys - onTheirWay - expectedBack;
  if (missing <= 0) return [];

  const empty = `${standbys} empty ${standbys === 1 ? "host" : "hosts"}`;
  const shortage = `${empty} and ${onTheirWay} on the way, ${wanted} wanted`;
  const hold = (reason: string): ScalingAction[] => [{ kind: "hold", name: undefined, alarm: false, reason }];
  // Droplets that are being destroyed still exist, and cost money.
  const names = new Set(untracked.length === 0 ? [] : droplets.map(({ row }) => row.name));
  const existing = droplets.length + untracked.filter(({ name }) => !names.has(name)).length;
  if (existing >= rules.cap)
    return hold(`${shortage}; there are ${existing} droplets, and no more than ${rules.cap} are allowed`);
  const notBefore = endOfBackoff(failures, rules);
  if (notBefore > now)
    return hold(
      `${shortage}; after ${failures.inARow} failed ${failures.inARow === 1 ? "order" : "orders"} ` +
        `the next one waits until ${notBefore.toISOString()}`,
    );
  // One at a time where there is no hurry, and after a failure, to see whether the next ones would go through.
  const isUrgent = wanted > rules.standbys && failures.inARow === 0;
  const number = isUrgent ? Math.min(missing, rules.ordersPerRun, rules.cap - existing) : 1;
  const order: ScalingAction = { kind: "order", size: sizeAfter(failures, rules), reason: shortage };
  return Array.from({ length: number }, () => order);
}

function isStandby({ row, host, cloud }: DropletFacts): boolean {
  return row.state === "joined" && cloud !== "gone" && host !== undefined && hostIsStandby(host);
}

/** An empty host that fell silent a moment ago: a short silence must not make the fleet order a droplet. */
function isExpectedBack(droplet: DropletFacts, rules: ScalingRules, now: Date): boolean {
  const { row, host } = droplet;
  if (
    row.state !== "joined" ||
    host?.host.state !== "active" ||
    !isUnused(host) ||
    isHealthy(droplet) ||
    droplet.cloud === "gone"
  )
    return false;
  return row.unhealthySince === null || since(row.unhealthySince, now) < rules.silentReplaceMs;
}

/** When the next order may be made: the pause doubles with each one that came to nothing, an hour at most. */
export function endOfBackoff({ inARow, lastAt }: OrderFailures, rules: Pick<ScalingRules, "backoffMs">): Date {
  if (lastAt === null || inARow === 0) return new Date(0);
  return new Date(lastAt.getTime() + Math.min(LONGEST_BACKOFF_MS, rules.backoffMs * 2 ** (inARow - 1)));
}

function sizeAfter({ outOfStock }: OrderFailures, { sizes }: ScalingRules): string {
  return sizes[outOfStock % sizes.length] ?? sizes[0];
}

function joinedAt({ row }: DropletFacts): number {
  return row.joinedAt?.getTime() ?? 0;
}

function since(moment: Date, now: Date): number {
  return now.getTime() - moment.getTime();
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1000)} s`;
}
