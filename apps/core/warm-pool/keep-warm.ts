import pMap from "p-map";
import type { Events } from "../events/contract.ts";
import type { EdgeRoutes } from "../edge/edge-routes.ts";
import { RouteFault } from "../edge/route-fault.ts";
import { EngineFault, isSilence } from "../fleet/engine-fault.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { Host } from "../fleet/host.ts";
import type { InstanceEngines } from "../instances/contract.ts";
import { removeAndClose } from "../instances/end-instance.ts";
import { startServer } from "../instances/start-server.ts";
import { hashSecret } from "../../lib/secrets.ts";
import { Unavailable } from "../../lib/unavailable.ts";
import type { Probe, Service } from "../services/service.ts";
import type { WarmDraft, WarmPool } from "./contract.ts";
import { endWarm, type EndWarmPorts } from "./end-warm.ts";
import { holdReason } from "./hold-reason.ts";
import { planPool, usualReasons, type PoolStep } from "./plan.ts";
import { longestLifeMs, sealedPassword, warmingMs, type WarmTimes } from "./recipe.ts";
import type { PoolBounds } from "./size.ts";
import { readWanted, USUAL_START_MS } from "./wanted.ts";

/** What keeping the pool needs. */
export type KeepWarmPorts = EndWarmPorts & {
  readonly fleet: Pick<FleetCache, "refresh" | "inPlacementOrder" | "backOff" | "countSuccess">;
  readonly store: { readonly warmPool: WarmPool; readonly events: Pick<Events, "add"> };
  readonly engines: Pick<InstanceEngines, "startContainer" | "readExit">;
  readonly probe: Probe;
  readonly edge?: Pick<EdgeRoutes, "untilCarried" | "untilGone"> | undefined;
  readonly random: { readonly id: () => string; readonly seed: () => Buffer };
  /** A signal that aborts after so many milliseconds. */
  readonly after: (ms: number) => AbortSignal;
};

/** Settings of the pool. */
export type KeepWarmRules = PoolBounds &
  WarmTimes & {
    readonly service: Service;
    readonly serverSecret: string;
    readonly recipe: Buffer;
    /** How long a slot is passed over whose port is taken by something else. */
    readonly slotBackoffMs: number;
    /** Time that most are held: they are kept where one of that length goes next. */
    readonly usualLeaseMs: number;
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

/** How a start came out. `given-up`: a hand-out has taken its slot, or its host was closed. */
type Start =
  { readonly kind: "started" | "given-up" } | ({ readonly kind: "failed" } & KeepWarmReport["failures"][number]);

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
    const hosts = fleet.inPlacementOrder(now, new Date(now.getTime() + rules.usualLeaseMs));
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
    const endsOfHosts = [...Map.groupBy(ends, ({ instance }) => instance.host.name).values()];
    const ended = await pMap(endsOfHosts, endOnHost, { concurrency: rules.concurrency });
    const starts = steps.flatMap((step) => (step.kind === "start" ? (byName.get(step.hostName) ?? []) : []));
    const outcomes = await pMap(starts, start, { concurrency: rules.concurrency });
    return {
      wanted,
      started: outcomes.filter(({ kind }) => kind === "started").length,
      ended: ended.reduce((sum, count) => sum + count, 0),
      failures: outcomes.flatMap((outcome) => (outcome.kind === "failed" ? outcome : [])),
    };
  };

  /**
   * Ends instances of one host, one after the other, so that hand-outs there are not slowed. A host that is silent keeps
   * nobody waiting more than once: the reaper removes the containers later.
   * @returns how many of them this call ended
   */
  async function endOnHost(steps: readonly Extract<PoolStep, { kind: "end" }>[]): Promise<number> {
    let ended = 0;
    let isSilentHost = false;
    for (const {
      instance: { host, instanceId },
      reason,
    } of steps) {
      let isEnded = true;
      try {
        isEnded = isSilentHost
          ? await ports.store.warmPool.end(instanceId)
          : await endWarm(ports, host, instanceId, REMOVAL_MS);
      } catch (fault) {
        if (!(fault instanceof EngineFault)) throw fault;
        isSilentHost = isSilence(fault);
      }
      // A hand-out may have been faster.
      if (!isEnded) continue;
      ended++;
      if (usualReasons.has(reason)) continue;
      told.delete(host.name);
      await ports.store.events.add({ actor: "warm", kind: "end-warm", host: host.name, reason }, ports.clock());
    }
    return ended;
  }

  /** Starts an instance and writes that it is ready. */
  async function start(host: Host): Promise<Start> {
    const { store, clock } = ports;
    const begunAt = clock();
    const draft = draftOf(begunAt);
    const taken = await store.warmPool.begin(draft, host.name);
    // A hand-out was faster, or the host has been closed.
    if (taken.kind !== "taken") return { kind: "given-up" };
    try {
      if (!(await bringUp(host, draft, taken.port))) {
        await undo(host, draft.id, undefined);
        return { kind: "given-up" };
      }
    } catch (fault) {
      // It may be ready, and claimed. If it is not, it is ended once its time is over.
      if (fault instanceof Unavailable) throw fault;
      if (!(await undo(host, draft.id, fault))) return { kind: "given-up" };
      // The next one gets another slot.
      const isHosts =
        !(fault instanceof EngineFault && fault.reason === "port-taken") && !(fault instanceof RouteFault);
      if (isHosts) ports.fleet.backOff(host.name, clock());
      told.delete(host.name);
      const reason = holdReason(fault, draft.id);
      await store.events.add({ actor: "warm", kind: "hold", host: host.name, reason }, clock());
      return { kind: "failed", hostName: host.name, fault };
    }
    ports.fleet.countSuccess(host.name);
    usualStartMs += NEWEST * (clock().getTime() - begunAt.getTime() - usualStartMs);
    if (!told.has(host.name)) {
      told.add(host.name);
      const reason = "instances are kept ready on it for the next hand-outs";
      await store.events.add({ actor: "warm", kind: "warm", host: host.name, reason }, clock());
    }
    return { kind: "started" };
  }

  /** Whether it is ready; false when its host was closed, or it was ended, while it started. */
  async function bringUp(host: Host, draft: WarmDraft, port: number): Promise<boolean> {
    const inTime = ports.after(rules.startMs);
    const password = passwordOf(draft);
    const carried = ports.edge?.untilCarried(draft.id, { address: host.checkHost, port }) ?? Promise.resolve();
    carried.catch(() => undefined);
    const server = await startServer(
      { ...ports, rules },
      host,
      { id: draft.id, port, password, notAfter: draft.latestEnd },
      { turn: inTime, answer: () => inTime },
    );
    await carried;
    return ports.store.warmPool.ready(draft.id, server, ports.clock());
  }

  /**
   * Ends an instance that has never been ready. A hand-out that needed its slot may have ended it before its container
   * was made: the container is removed in any case.
   * @returns whether this call ended it
   */
  async function undo(host: Host, instanceId: string, fault: unknown): Promise<boolean> {
    const { store, clock } = ports;
    const isEnded = await store.warmPool.end(instanceId);
    const portTakenUntil =
      fault instanceof EngineFault && fault.reason === "port-taken"
        ? new Date(clock().getTime() + rules.slotBackoffMs)
        : undefined;
    try {
      await removeAndClose(ports, { instanceId, host }, { portTakenUntil, withinMs: REMOVAL_MS });
    } catch (removal) {
      if (!(removal instanceof EngineFault)) throw removal;
    }
    return isEnded;
  }

  function passwordOf({ id, nonce }: Pick<WarmDraft, "id" | "nonce">): string {
    return rules.service.passwordOf(id, sealedPassword(rules.serverSecret, nonce, id));
  }

  function draftOf(createdAt: Date): WarmDraft {
    const id = ports.random.id();
    const nonce = ports.random.seed();
    const after = (ms: number) => new Date(createdAt.getTime() + ms);
    return {
      id,
      nonce,
      passwordHash: hashSecret(passwordOf({ id, nonce })),
      recipe: rules.recipe,
      createdAt,
      deadline: after(warmingMs(rules)),
      latestEnd: after(longestLifeMs(rules)),
    };
  }
}
