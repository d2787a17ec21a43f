import { CloudFault, type CloudDroplet, type DropletOrder } from "./cloud.ts";
import { orderDroplet } from "./order-droplet.ts";
import { EngineFault } from "./engine-fault.ts";
import type { Events } from "../events/contract.ts";
import type { Happening } from "../events/event.ts";
import type { Cloud, Droplets, HostEngines } from "./contract.ts";
import type { FleetSnapshot } from "./droplets.ts";
import type { EngineHost } from "./host.ts";
import { changedTimers, decideScaling, whyBlind, type ScalingAction, type ScalingRules } from "./scaling.ts";
import { takeSnapshot, type SnapshotPorts } from "./take-snapshot.ts";

/** What scaling needs. The store refuses intents of a term that is over. */
export type ScalePorts = SnapshotPorts & {
  readonly cloud: Pick<Cloud, "createDroplet" | "deleteDroplet">;
  readonly store: { readonly droplets: Droplets; readonly events: Pick<Events, "add"> };
  readonly engines: Pick<HostEngines, "listContainers">;
  /** The script of a droplet's first boot. The token can be used once, by this host. */
  readonly userData: (hostName: string, token: string) => string;
  readonly token: () => string;
  readonly clock: () => Date;
  readonly plan: FleetPlan;
  readonly rules: ScalingRules;
};

/** What droplets are ordered with, and the tag that marks them. */
export type FleetPlan = Pick<DropletOrder, "tag" | "region" | "image" | "vpc" | "sshKeys"> & {
  readonly namePrefix: string;
};

/** Faults after which further calls to the cloud would fail as well. */
const silences: readonly CloudFault["reason"][] = ["unreachable", "timeout", "rate-limited", "unauthorized"];

/**
 * Moves the fleet one step towards what it should be, as the leader of `term`. May be killed at any line: each
 * intent is written before the cloud is asked, and the next run continues from there. Every decision is kept as
 * an event with its reason.
 * @returns what was decided
 * @throws Unavailable when MySQL does not answer
 */
export async function scaleFleet(ports: ScalePorts, term: number): Promise<ScalingAction[]> {
  const now = ports.clock();
  const snapshot = await takeSnapshot(ports, ports.plan.tag, now);
  const actions = quickFirst(decideScaling(snapshot, ports.rules, now));
  // Time during which the control plane saw nothing does not count as silence of the hosts.
  if ("blind" in snapshot || whyBlind(snapshot, ports.rules, now) !== undefined)
    await ports.store.droplets.forgetUnhealthy();
  else await ports.store.droplets.keepTimers(changedTimers(snapshot.droplets, now));
  let canOrder = true;
  for (const action of actions) {
    try {
      if (action.kind !== "order") await perform(ports, term, action, snapshot);
      // What keeps one order from being made keeps the others from it, too.
      else if (canOrder) canOrder = await order(ports, term, action);
    } catch (fault) {
      // An order writes its own event with its outcome; the other steps do not ask the cloud.
      if (!(fault instanceof CloudFault) || !isDeletion(action)) throw fault;
      await note(ports, { kind: `${action.kind}-failed`, host: action.name, reason: fault.message });
      if (silences.includes(fault.reason)) break;
    }
  }
  return actions;
}

/** Steps that ask engines, or ask the cloud repeatedly, must not delay an order. */
function quickFirst(actions: readonly ScalingAction[]): ScalingAction[] {
  return [...actions.filter((action) => !isDeletion(action)), ...actions.filter(isDeletion)];
}

function isDeletion(action: ScalingAction): action is Extract<ScalingAction, { kind: "destroy" | "delete" | "sweep" }> {
  return action.kind === "destroy" || action.kind === "delete" || action.kind === "sweep";
}

async function perform(
  ports: ScalePorts,
  term: number,
  action: Exclude<ScalingAction, { kind: "order" }>,
  snapshot: Awaited<ReturnType<typeof takeSnapshot>>,
): Promise<void> {
  const { store, cloud, clock } = ports;
  const { reason } = action;
  switch (action.kind) {
    case "adopt": {
      const made = findMade(snapshot, action.dropletId);
      if (await store.droplets.adopt(action.name, action.dropletId, made?.hourlyPrice ?? 0))
        await note(ports, { kind: "adopt", host: action.name, reason, data: { dropletId: action.dropletId } });
      return;
    }
    case "give-up":
      await note(ports, { kind: "give-up", host: action.name, reason });
      return store.droplets.closeOrder(action.name, reason, false, clock());
    case "drain":
      if (await store.droplets.beginDrain(term, action.name))
        await note(ports, { kind: "drain", host: action.name, reason });
      return;
    case "destroy":
      return destroy(ports, term, action, snapshot);
    case "delete":
      return deleteOrClose(ports, action.name, action.dropletId, reason);
    case "close":
      await note(ports, { kind: "close", host: action.name, reason });
      return store.droplets.close(action.name, reason, clock());
    case "sweep":
      await note(ports, {
        kind: "sweep",
        host: action.name,
        reason,
        alarm: true,
        data: { dropletId: action.dropletId },
      });
      await cloud.deleteDroplet(action.dropletId);
      return;
    case "hold":
      return note(ports, { kind: "hold", host: action.name, reason, alarm: action.alarm });
  }
}

/** @returns whether the cloud has accepted it */
function order(
  ports: ScalePorts,
  term: number,
  { size, reason }: Extract<ScalingAction, { kind: "order" }>,
): Promise<boolean> {
  const { store, plan, rules, clock } = ports;
  const { namePrefix, region } = plan;
  const write = (tokenHash: Buffer) =>
    store.droplets.addOrder(term, { namePrefix, region, size, tokenHash, cap: rules.cap }, clock());
  return orderDroplet({ ...ports, droplets: store.droplets, note: (event) => note(ports, event) }, write, size, reason);
}

async function destroy(
  ports: ScalePorts,
  term: number,
  action: Extract<ScalingAction, { kind: "destroy" }>,
  snapshot: Awaited<ReturnType<typeof takeSnapshot>>,
): Promise<void> {
  const { name, reason, leases } = action;
  const facts = findFacts(snapshot, name);
  if (!facts?.row.dropletId) return;
  if (action.engine === "confirms" && facts.host) {
    const doubt = await whyNotEmpty(ports, facts.host.host);
    if (doubt !== undefined) return note(ports, { kind: "hold", host: name, reason: `drained, but ${doubt}` });
  }
  if (!(await ports.store.droplets.beginDestroy(term, name, reason, leases, ports.clock())))
    return note(ports, {
      kind: "hold",
      host: name,
      reason: "not destroyed: it has got a lease meanwhile, or another process leads",
    });
  await note(ports, { kind: "destroy", host: name, reason });
  await deleteOrClose(ports, name, facts.row.dropletId, reason);
}

/**
 * The row is closed only when the cloud knows no such droplet: a deletion that was accepted may take a while,
 * or fail.
 */
async function deleteOrClose(ports: ScalePorts, name: string, dropletId: number, reason: string): Promise<void> {
  const answer = await ports.cloud.deleteDroplet(dropletId);
  await note(ports, {
    kind: answer === "gone" ? "close" : "delete",
    host: name,
    reason: answer === "gone" ? "its droplet is gone" : reason,
  });
  if (answer === "gone") await ports.store.droplets.close(name, reason, ports.clock());
}

/** Why the engine may not be empty; undefined when it reports that it runs nothing of ours. */
async function whyNotEmpty({ engines }: ScalePorts, host: EngineHost): Promise<string | undefined> {
  try {
    const { length } = await engines.listContainers(host);
    return length === 0 ? undefined : "its engine still has containers of ours";
  } catch (fault) {
    if (!(fault instanceof EngineFault)) throw fault;
    return `its engine does not confirm that it is empty (${fault.reason})`;
  }
}

function findFacts(
  snapshot: Awaited<ReturnType<typeof takeSnapshot>>,
  name: string,
): FleetSnapshot["droplets"][number] | undefined {
  return "droplets" in snapshot ? snapshot.droplets.find(({ row }) => row.name === name) : undefined;
}

function findMade(snapshot: Awaited<ReturnType<typeof takeSnapshot>>, dropletId: number): CloudDroplet | undefined {
  return "untracked" in snapshot ? snapshot.untracked.find(({ id }) => id === dropletId) : undefined;
}

function note({ store, clock }: ScalePorts, event: Happening): Promise<void> {
  return store.events.add({ actor: "scale", ...event }, clock());
}
