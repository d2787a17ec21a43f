import pMap from "p-map";
import type { Events } from "../events/contract.ts";
import { EngineFault } from "../fleet/engine-fault.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { Host } from "../fleet/host.ts";
import type { InstanceEngines } from "../instances/contract.ts";
import { hashSecret } from "../../lib/secrets.ts";
import { serverRefusal } from "../services/server-version.ts";
import type { Probe, Service } from "../services/service.ts";
import { watchPassword } from "../services/watch-user.ts";
import type { WarmDraft, WarmPool } from "./contract.ts";
import { endWarm, type EndWarmPorts } from "./end-warm.ts";
import { holdReason } from "./hold-reason.ts";
import { planPool, usualReasons, type PoolStep } from "./plan.ts";
import { sealedPassword } from "./recipe.ts";
import type { PoolBounds } from "./size.ts";
import { readWanted, USUAL_START_MS } from "./wanted.ts";

/** What keeping the pool needs. */
export type KeepWarmPorts = EndWarmPorts & {
  readonly fleet: Pick<FleetCache, "refresh" | "inPlacementOrder" | "isBlind" | "backOff" | "countSuccess">;
  readonly store: { readonly warmPool: WarmPool; readonly events: Pick<Events, "add"> };
  readonly engines: Pick<InstanceEngines, "startContainer">;
  readonly probe: Probe;
  readonly random: { readonly id: () => string; readonly seed: () => Buffer };
  /** A signal that aborts after so many milliseconds. */
  readonly after: (ms: number) => AbortSignal;
};

/** Settings of the pool. */
export type KeepWarmRules = PoolBounds & {
  readonly service: Service;
  readonly serverSecret: string;
  readonly recipe: Buffer;
  readonly maxAgeMs: number;
  /** Time that an instance gets to start and answer. */
  readonly startMs: number;
  /** Longest time that one may be held once it is handed out. */
  readonly longestLeaseMs: number;
  /** Time between two runs. */
  readonly periodMs: number;
  /** Hosts that are worked on at once. */
  readonly concurrency: number;
};

/** What a run did. */
export type KeepWarmReport = {
  readonly wanted: number;
  readonly started: number;
  readonly ended: number;
  readonly failures: readonly { readonly hostName: string; readonly fault: unknown }[];
};

const STARTS_PER_HOST = 1;
/** Weight of the newest start in the moving mean. */
const NEWEST = 0.2;
const REMOVAL_MS = 2_000;

/**
 * Keeps instances ready. What it gives back is called again and again: it compares the pool with what is asked for, ends
 * those that no hand-out should get, and starts missing ones, one at a time on each host. Several processes may do so
 * at once: then more may be ready than wanted, until they are surplus. May be killed at any line: reconcile and reaper
 * finish what it has begun. While it is unknown which hosts are alive, it does nothing.
 *
 * Its events say on which hosts instances are kept ready, and what keeps it from that: single instances come and go as
 * often as people ask for some, and would leave no room for anything else.
 */
export function keepWarm(ports: KeepWarmPorts, rules: KeepWarmRules): () => Promise<KeepWarmReport> {
  let usualStartMs = USUAL_START_MS;
  /** Hosts of which it has been told that instances are kept ready there. */
  const told = new Set<string>();

  return async () => {
    const { store, fleet, clock } = ports;
    await fleet.refresh(clock());
    const now = clock();
    const hosts = fleet.inPlacementOrder(now);
    const wanted = await readWanted(store.warmPool, rules, usualStartMs, now);
    const steps = planPool(
      hosts,
      await store.warmPool.list(),
      {
        wanted,
        recipe: rules.recipe,
        maxAgeMs: rules.maxAgeMs,
        startsPerHost: STARTS_PER_HOST,
        coldStarts: await store.warmPool.countColdStarts(),
      },
      now,
    );
    const byName = new Map(hosts.map(({ host }) => [host.name, host]));
    const ends = steps.filter((step) => step.kind === "end");
    for (const step of ends) await end(step);
    const failures: KeepWarmReport["failures"][number][] = [];
    const starts = steps.flatMap((step) => (step.kind === "start" ? (byName.get(step.hostName) ?? []) : []));
    await pMap(
      starts,
      async (host) => {
        const fault = await start(host);
        if (fault !== undefined) failures.push({ hostName: host.name, fault });
      },
      { concurrency: rules.concurrency },
    );
    return { wanted, started: starts.length - failures.length, ended: ends.length, failures };
  };

  /** A host that does not remove the container keeps nobody waiting: the reaper does it later. */
  async function end({ instance, reason }: Extract<PoolStep, { kind: "end" }>): Promise<void> {
    const { host, instanceId } = instance;
    try {
      await endWarm(ports, host, instanceId, REMOVAL_MS);
    } catch (fault) {
      if (!(fault instanceof EngineFault)) throw fault;
    }
    if (usualReasons.has(reason)) return;
    told.delete(host.name);
    await ports.store.events.add({ actor: "warm", kind: "end-warm", host: host.name, reason }, ports.clock());
  }

  /** Starts an instance and writes that it is ready. Returns the fault when it came to nothing. */
  async function start(host: Host): Promise<unknown> {
    const { store, clock } = ports;
    const begunAt = clock();
    const draft = draftOf(begunAt);
    const taken = await store.warmPool.begin(draft, host.name);
    // A hand-out was faster, or the host has been closed.
    if (taken.kind !== "taken") return undefined;
    try {
      await bringUp(host, draft, taken.port);
    } catch (fault) {
      ports.fleet.backOff(host.name, clock());
      told.delete(host.name);
      const reason = holdReason(fault, draft.id);
      await store.events.add({ actor: "warm", kind: "hold", host: host.name, reason }, clock());
      await endQuietly(host, draft.id);
      return fault;
    }
    ports.fleet.countSuccess(host.name);
    usualStartMs += NEWEST * (clock().getTime() - begunAt.getTime() - usualStartMs);
    if (!told.has(host.name)) {
      told.add(host.name);
      const reason = "instances are kept ready on it for the next hand-outs";
      await store.events.add({ actor: "warm", kind: "warm", host: host.name, reason }, clock());
    }
    return undefined;
  }

  async function bringUp(host: Host, draft: WarmDraft, port: number): Promise<void> {
    const signal = ports.after(rules.startMs);
    const spec = rules.service.containerOf({
      id: draft.id,
      deployment: host.deployment,
      bindAddress: host.bindAddress,
      port,
      passwordHash: draft.passwordHash,
      watchHash: hashSecret(watchPassword(rules.serverSecret, draft.id)),
      notAfter: draft.latestEnd,
    });
    await ports.engines.startContainer(host, spec, signal);
    const password = sealedPassword(rules.serverSecret, draft.nonce, draft.id);
    const server = await ports.probe(host.checkHost, port, password, signal);
    const refusal = serverRefusal(server);
    if (refusal !== undefined) throw new Error(`the image is not handed out: ${refusal}`);
    if (!(await ports.store.warmPool.ready(draft.id, server, ports.clock())))
      throw new Error("its host was closed, or it was ended, while it started");
  }

  function draftOf(createdAt: Date): WarmDraft {
    const id = ports.random.id();
    const nonce = ports.random.seed();
    const after = (ms: number) => new Date(createdAt.getTime() + ms);
    return {
      id,
      nonce,
      passwordHash: hashSecret(sealedPassword(rules.serverSecret, nonce, id)),
      recipe: rules.recipe,
      createdAt,
      deadline: after(2 * rules.startMs),
      latestEnd: after(rules.maxAgeMs + 2 * rules.startMs + rules.longestLeaseMs),
    };
  }

  async function endQuietly(host: Host, instanceId: string): Promise<void> {
    try {
      await endWarm(ports, host, instanceId, REMOVAL_MS);
    } catch (fault) {
      if (!(fault instanceof EngineFault)) throw fault;
    }
  }
}
