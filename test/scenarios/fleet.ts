import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach } from "node:test";
import { admitHosts, type AdmitPorts } from "../../apps/core/fleet/admit-hosts.ts";
import { scaleFleet, type ScalePorts } from "../../apps/core/fleet/scale-fleet.ts";
import type { ScalingAction } from "../../apps/core/fleet/scaling.ts";
import type { Store } from "../../apps/core/store.ts";
import type { CloudFaultRule } from "../../apps/twins/cloud.ts";
import { crashAt, moments } from "../bed/crash.ts";
import { liveOnly } from "../bed/budgets.ts";

/** Something that goes wrong at the cloud. */
export type FleetFault = Omit<CloudFaultRule, "call"> & { readonly call?: "createDroplet" | "deleteDroplet" };

/**
 * A fleet without machines: whatever the cloud has switched on may send heartbeats, and has an engine that
 * answers.
 */
export type FleetBed = {
  readonly store: Store;
  readonly scale: ScalePorts;
  readonly admit: AdmitPorts;
  /** The term of this process's leadership. */
  readonly term: number;
  readonly cloud: {
    readonly droplets: () => readonly {
      readonly id: number;
      readonly name: string;
      readonly tags: readonly string[];
    }[];
    /** Names of the droplets that are switched on. */
    readonly booted: () => readonly string[];
    readonly everMade: () => readonly { readonly name: string }[];
    readonly add: (droplet: { readonly name: string; readonly tags: readonly string[] }) => { readonly id: number };
    /** Takes a droplet away behind everybody's back. */
    readonly vanish: (name: string) => unknown;
    /** Waits until orders and deletions that were begun have come to their end. */
    readonly settle: () => Promise<void>;
    readonly addFault: (fault: FleetFault) => void;
    readonly clearFaults: () => void;
    /** How often each fault has happened. */
    readonly hits: () => readonly number[];
  };
  readonly beat: (hostName: string) => unknown;
  /** Ends the heartbeat of a host. */
  readonly still: (hostName: string) => unknown;
  readonly clock: () => Date;
  readonly pass: (seconds: number) => unknown;
  readonly close: () => Promise<void>;
};

/** Droplets that a fleet of these scenarios may have. */
export const CAP = 4;
/** Settings of a fleet of these scenarios. */
export const fleetEnv = {
  DROPLET_CAP: String(CAP),
  DROPLET_SIZES: "s-1vcpu-1gb,s-1vcpu-2gb",
  SURPLUS_SECONDS: "60",
  ORDER_BACKOFF_SECONDS: "5",
};
/** Faults that a fleet recovers from by itself, by what they are. */
export const passingFaults: Readonly<Record<string, readonly FleetFault[]>> = {
  "too many calls (429)": [{ kind: "rate-limit", times: 5 }],
  "errors of the cloud (500)": [{ kind: "server-error", times: 8 }],
  "calls without an answer": [{ kind: "hang", times: 3 }],
  "answers that end in their middle": [{ kind: "half-answer", times: 3 }],
  "the droplet limit (422)": [{ kind: "droplet-limit", times: 2 }],
  "a size out of stock (422)": [{ kind: "out-of-stock", size: "s-1vcpu-1gb" }],
  "an order that was made and whose answer was lost": [{ kind: "answer-lost", times: 1, call: "createDroplet" }],
  "a deletion whose answer was lost": [{ kind: "answer-lost", times: 1, call: "deleteDroplet" }],
  "a droplet that never boots": [{ kind: "never-boots", times: 1 }],
  "a droplet that never becomes active": [{ kind: "never-active", times: 1 }],
  "a list that lags": [{ kind: "list-lags", ms: 400 }],
  "deletions refused": [{ kind: "delete-refused", times: 3 }],
  "deletions that fail": [{ kind: "delete-fails", times: 3 }],
  "deletions without effect": [{ kind: "delete-ignored", times: 3 }],
};

/** More calls than any step here makes. */
const MOST_CALLS = 60;
/** Some hours of 20 s steps: back-off after failures doubles. */
const MOST_STEPS = 600;

/** A new fleet for each test of the suite that calls this, and what tests do with it again and again. */
export function useFleet(open: () => Promise<FleetBed>) {
  let opened: FleetBed | undefined;
  const silent = new Set<string>();
  beforeEach(async () => {
    opened = await open();
    silent.clear();
  });
  afterEach(() => opened?.close());

  const fleet = () => opened ?? assert.fail("the fleet is used outside a test");

  /** Sends a heartbeat of every host whose droplet exists, is on, and is not in `silent`. */
  async function beatAll(): Promise<void> {
    const { store, cloud, beat, still } = fleet();
    const booted = new Set(cloud.booted());
    for (const { name } of await store.droplets.list())
      await (booted.has(name) && !silent.has(name) ? beat(name) : still(name));
  }

  /** One step of the fleet; `ports` may be a process that dies. */
  async function step(ports: ScalePorts = fleet().scale): Promise<ScalingAction[]> {
    await fleet().cloud.settle();
    await beatAll();
    await admitHosts(fleet().admit, 4);
    return scaleFleet(ports, fleet().term);
  }

  /** Steps, some seconds apart, until nothing is decided for longer than any timer runs; checks the cap at each. */
  async function settle(): Promise<void> {
    const { store, pass } = fleet();
    for (let count = 0, quiet = 0; count < MOST_STEPS; count++) {
      const actions = await step();
      assert.ok(ours().length <= CAP, `${ours().length} droplets, ${CAP} allowed`);
      const states = (await store.droplets.list()).map(({ state }) => state);
      const isQuiet =
        actions.length === 0 && states.every((state) => state === "joined") && ours().length === states.length;
      quiet = isQuiet ? quiet + 1 : 0;
      if (quiet === 5) return;
      pass(20);
    }
    assert.fail(`not settled after ${MOST_STEPS} steps: ${JSON.stringify(await store.events.list({}, 10))}`);
  }

  function ours() {
    return fleet()
      .cloud.droplets()
      .filter(({ tags }) => tags.includes(fleet().scale.plan.tag));
  }

  async function take(hostName: string): Promise<string> {
    const { store, clock } = fleet();
    const id = randomBytes(8).toString("hex");
    const now = clock();
    const draft = {
      id,
      address: `198.51.100.${randomBytes(1)[0] ?? 0}`,
      tokenHash: randomBytes(32),
      passwordHash: randomBytes(32),
      createdAt: now,
      deadline: new Date(now.getTime() + 30_000),
      latestEnd: new Date(now.getTime() + 86_400_000),
    };
    assert.equal((await store.handouts.takeSlot(draft, hostName, liveOnly(100), undefined)).kind, "taken");
    assert.ok(await store.handouts.complete(id, new Date(now.getTime() + 86_000_000), now, undefined));
    return id;
  }

  async function end(id: string): Promise<void> {
    const { store, clock } = fleet();
    await store.leases.beginEnd(id, "owner", clock());
    await store.leases.close(id, clock());
  }

  async function hostNames(): Promise<string[]> {
    return (await fleet().store.hosts.list()).map(({ host }) => host.name).sort();
  }

  /** Exactly one empty host, every droplet of ours tracked, every row with its droplet. */
  async function assertAtRest(): Promise<void> {
    const { store, cloud } = fleet();
    const hosts = await store.hosts.list();
    assert.equal(
      hosts.filter(({ inUse, host }) => inUse === 0 && host.state === "active").length,
      1,
      "exactly one standby",
    );
    assert.deepEqual(
      names(ours()),
      names(await store.droplets.list()),
      "each droplet has its row, and each row its droplet",
    );
    assert.equal(new Set(names(cloud.everMade())).size, cloud.everMade().length, "no order has made two droplets");
  }

  /** One standby, more as it fills up to the cap, and back to one. */
  async function liveWholeLife(): Promise<void> {
    await settle();
    await assertAtRest();
    const [first = ""] = await hostNames();
    const leases = [await take(first)];
    await settle();
    await assertAtRest();
    assert.equal((await hostNames()).length, 2);
    for (const name of (await hostNames()).slice(1)) leases.push(await take(name));
    await settle();
    for (let more = 0; more < 2; more++) {
      for (const { host, inUse } of await fleet().store.hosts.list())
        if (inUse === 0) leases.push(await take(host.name));
      if (more === 0) await settle();
    }
    const [held] = await step();
    assert.equal(held?.kind, "hold", "four hosts with leases are the cap");
    for (const id of leases) await end(id);
    await settle();
    await assertAtRest();
    assert.equal((await fleet().store.droplets.list()).length, 1);
  }

  /** A life in which everything that calls the cloud happens: orders, a lost host, surplus, an orphan. */
  async function liveWith(faults: readonly FleetFault[]): Promise<void> {
    for (const fault of faults) fleet().cloud.addFault(fault);
    await settle();
    const [first = ""] = await hostNames();
    const lease = await take(first);
    await settle();
    fleet().cloud.add({ name: "orphan", tags: [fleet().scale.plan.tag] });
    await end(lease);
    fleet().pass(700);
    await settle();
    await assertAtRest();
  }

  /** Kills the step at each of its calls in turn, and lets the next ones go on from there. */
  async function killEverywhere(prepare: () => Promise<unknown>, expected: ScalingAction["kind"]): Promise<void> {
    let points = 0;
    for (const moment of moments) {
      for (let call = 1; ; call++) {
        assert.ok(call < MOST_CALLS, "the step comes to an end");
        await fleet().close();
        opened = await open();
        await prepare();
        const { each, crashing, crashed } = crashAt(call, moment);
        const { scale, pass } = fleet();
        const dying: ScalePorts = {
          ...scale,
          store: each(scale.store),
          cloud: each(scale.cloud),
          engines: each(scale.engines),
          readHeartbeats: crashing(scale.readHeartbeats),
        };
        const outcome = await Promise.race([step(dying), crashed]);
        pass(200);
        await settle();
        await assertAtRest();
        if (outcome !== true) {
          assert.ok(
            outcome.some(({ kind }) => kind === expected),
            `the step was to ${expected}`,
          );
          break;
        }
        points++;
      }
    }
    assert.ok(points >= 10, `${points} crash points were tried`);
  }

  return {
    fleet,
    silent,
    beatAll,
    step,
    settle,
    ours,
    take,
    end,
    hostNames,
    assertAtRest,
    liveWholeLife,
    liveWith,
    killEverywhere,
  };
}

/** Names of droplets, in order. */
export function names(droplets: readonly { readonly name: string }[]): string[] {
  return droplets.map(({ name }) => name).sort();
}
