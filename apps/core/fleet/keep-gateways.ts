import { Unavailable } from "../../lib/unavailable.ts";
import type { Events } from "../events/contract.ts";
import type { Happening } from "../events/event.ts";
import type { PresentGateway } from "./address-records.ts";
import { CloudFault, type CloudDroplet } from "./cloud.ts";
import type { Cloud, GatewayDroplets } from "./contract.ts";
import {
  changedGatewayTimers,
  mostDroplets,
  planGateways,
  type GatewayAction,
  type GatewayDropletFacts,
  type GatewayFleet,
  type GatewayRules,
} from "./gateway-droplets.ts";
import { orderDroplet, type OrderPorts } from "./order-droplet.ts";
import { lookAtCloud } from "./take-snapshot.ts";

/** What keeping gateways needs. The store refuses intents of a term that is over. */
export type KeepGatewaysPorts = Pick<OrderPorts, "userData" | "token" | "clock"> & {
  readonly cloud: Cloud;
  readonly store: {
    readonly gatewayDroplets: GatewayDroplets;
    readonly events: Pick<Events, "add">;
    readonly switches: {
      readonly list: () => Promise<readonly { readonly name: string; readonly paused: boolean }[]>;
    };
  };
  /** The gateways whose signs of life are there now. @throws Unavailable when Redis does not answer */
  readonly readGateways: () => Promise<readonly PresentGateway[]>;
  /** Addresses that names under the edge's domain lead to; undefined where somebody else keeps these records. */
  readonly readAddresses: (() => Promise<ReadonlySet<string>>) | undefined;
  readonly plan: OrderPorts["plan"] & { readonly namePrefix: string };
  /** As they are now: with a renewed CA, say, gateways are ordered with something else. */
  readonly rules: () => GatewayRules;
};

/**
 * Moves the fleet's gateways one step towards what they should be, as the leader of `term`. May be killed at any line:
 * each intent is written before the cloud is asked, and the next run goes on from there. Every decision is kept as an
 * event with its reason.
 * @returns what was decided
 * @throws Unavailable when MySQL does not answer
 */
export async function keepGateways(ports: KeepGatewaysPorts, term: number): Promise<GatewayAction[]> {
  const { store, clock } = ports;
  const rules = ports.rules();
  // Nothing is asked of the cloud where the fleet has no gateways.
  if (rules.wanted === 0 && (await store.gatewayDroplets.list()).length === 0) return [];
  const now = clock();
  const fleet = await lookAtGateways(ports, now);
  if ("blind" in fleet) {
    await store.gatewayDroplets.forgetSilence();
    const hold = { kind: "hold", name: undefined, alarm: true, reason: `gateways: ${fleet.blind}` } as const;
    await note(ports, { kind: "hold", alarm: true, reason: hold.reason });
    return [hold];
  }
  await store.gatewayDroplets.keepTimers(changedGatewayTimers(fleet.droplets, now));
  const actions = planGateways(fleet, rules, now);
  for (const action of actions) {
    try {
      await perform(ports, rules, term, action, fleet.untracked);
    } catch (fault) {
      if (!(fault instanceof CloudFault) || action.kind === "hold" || action.kind === "order") throw fault;
      const kind =
        action.kind === "sweep" || action.kind === "delete" ? (`${action.kind}-failed` as const) : "destroy-failed";
      await note(ports, { kind, host: action.name, reason: fault.message });
    }
  }
  return actions;
}

/** Everything that decides, at one moment; or what is unknown. */
async function lookAtGateways(
  { cloud, store, readGateways, readAddresses, plan }: KeepGatewaysPorts,
  now: Date,
): Promise<GatewayFleet | { readonly blind: string }> {
  try {
    const { rows, words, untracked } = await lookAtCloud(cloud, store.gatewayDroplets, plan.tag, now);
    const live = new Set(
      (await readGateways()).filter(({ state }) => state === "live" || state === "draining").map(({ name }) => name),
    );
    const isDraining = rows.some(({ state }) => state === "draining");
    const addresses = isDraining && readAddresses ? await readAddresses() : new Set<string>();
    const droplets = rows.map((row): GatewayDropletFacts => {
      const word = words.get(row.name) ?? "unlisted";
      const hasRecord = typeof word === "object" && word.publicIp !== null && addresses.has(word.publicIp);
      return { row, cloud: word, isLive: live.has(row.name), hasRecord };
    });
    return {
      droplets,
      untracked,
      failures: await store.gatewayDroplets.readOrderFailures(),
      isPaused: (await store.switches.list()).some(({ name, paused }) => name === "scaling" && paused),
    };
  } catch (fault) {
    if (fault instanceof CloudFault)
      return { blind: `the cloud does not answer (${fault.reason}): what exists is unknown` };
    if (fault instanceof Unavailable && fault.system === "redis")
      return { blind: "Redis does not answer: which of them live is unknown" };
    throw fault;
  }
}

async function perform(
  ports: KeepGatewaysPorts,
  rules: GatewayRules,
  term: number,
  action: GatewayAction,
  untracked: readonly CloudDroplet[],
): Promise<void> {
  const { store, cloud, clock } = ports;
  const { gatewayDroplets } = store;
  const { reason } = action;
  switch (action.kind) {
    case "order":
      await order(ports, rules, term, action);
      return;
    case "adopt": {
      const price = untracked.find(({ id }) => id === action.dropletId)?.hourlyPrice ?? 0;
      if (await gatewayDroplets.adopt(action.name, action.dropletId, price))
        await note(ports, { kind: "adopt", host: action.name, reason, data: { dropletId: action.dropletId } });
      return;
    }
    case "give-up":
      await note(ports, { kind: "give-up", host: action.name, reason });
      return gatewayDroplets.closeOrder(action.name, reason, false, clock());
    case "join":
      // What it is told of is kept by the gateway itself: gateway-join.
      await gatewayDroplets.admit(action.name, clock());
      return;
    case "drain":
      if (await gatewayDroplets.beginDrain(term, action.name, clock()))
        await note(ports, { kind: "drain", host: action.name, reason });
      return;
    case "destroy":
      if (!(await gatewayDroplets.beginDestroy(term, action.name, reason, clock()))) return;
      await note(ports, { kind: "destroy", host: action.name, reason });
      return deleteOrClose(ports, action.name, action.dropletId, reason);
    case "delete":
      return deleteOrClose(ports, action.name, action.dropletId, reason);
    case "close":
      await note(ports, { kind: "close", host: action.name, reason });
      return gatewayDroplets.close(action.name, reason, clock());
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

async function order(
  ports: KeepGatewaysPorts,
  rules: GatewayRules,
  term: number,
  { size, reason }: Extract<GatewayAction, { kind: "order" }>,
): Promise<void> {
  const { store, clock, plan } = ports;
  const { namePrefix, region } = plan;
  const cap = mostDroplets(rules);
  const write = (tokenHash: Buffer) =>
    store.gatewayDroplets.addOrder(term, { namePrefix, region, size, tokenHash, cap, plan: rules.plan }, clock());
  const droplets = store.gatewayDroplets;
  await orderDroplet({ ...ports, droplets, note: (event) => note(ports, event) }, write, size, reason);
}

/** The row is closed only when the cloud knows no such droplet. */
async function deleteOrClose(ports: KeepGatewaysPorts, name: string, dropletId: number, reason: string): Promise<void> {
  const isGone = (await ports.cloud.deleteDroplet(dropletId)) === "gone";
  await note(ports, { kind: isGone ? "close" : "delete", host: name, reason: isGone ? "its droplet is gone" : reason });
  if (isGone) await ports.store.gatewayDroplets.close(name, reason, ports.clock());
}

function note({ store, clock }: KeepGatewaysPorts, event: Happening): Promise<void> {
  return store.events.add({ actor: "scale", ...event }, clock());
}
