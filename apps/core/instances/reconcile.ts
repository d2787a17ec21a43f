import { EngineFault, isSilence } from "../fleet/engine-fault.ts";
import type { ContainerFacts } from "../fleet/contract.ts";
import type { EngineHost } from "../fleet/host.ts";
import { goRound, takingTurns, type RoundLimits, type RoundPorts, type TimeLeft } from "../fleet/round.ts";
import type { Events } from "../events/contract.ts";
import type { InstanceEngines, Leases } from "./contract.ts";
import type { Restart } from "./instance.ts";
import { endWarm } from "../warm-pool/end-warm.ts";
import type { WarmPool } from "../warm-pool/contract.ts";
import { findRepairs, type Repair, type RowFacts } from "./repairs.ts";
import { endInstance, type EndPorts } from "./end-instance.ts";

/** What reconcile needs. */
export type ReconcilePorts = EndPorts &
  RoundPorts & {
    readonly store: {
      readonly hosts: { readonly list: () => Promise<readonly { readonly host: EngineHost }[]> };
      readonly leases: Pick<Leases, "listOpenOf" | "noteRestart">;
      readonly warmPool: Pick<WarmPool, "end">;
      readonly events: Pick<Events, "add">;
    };
    readonly engines: Pick<InstanceEngines, "listContainers" | "listRestarts">;
  };

/**
 * Most repairs of one host in one run, each with an event. An engine may list anything; a list that is made up
 * must not fill the history or keep the other hosts waiting.
 */
const REPAIRS_A_RUN = 100;

const RESTART_REASONS: Readonly<Record<Restart["cause"], string>> = {
  "out-of-memory": "out of memory: a script, or data and clients, took more than its container has",
  crashed: "its server crashed",
  unknown: "its server had ended",
};

/**
 * The report of a run: its repairs, the restarts of servers that it saw first, and the hosts that did not answer or
 * refused a repair, with the last fault.
 */
export type ReconcileReport = {
  readonly repairs: readonly (Repair & { readonly hostName: string })[];
  readonly restarts: readonly (Restart & { readonly hostName: string; readonly instanceId: string })[];
  readonly unseen: readonly { readonly hostName: string; readonly fault: EngineFault }[];
};

/**
 * Makes rows and containers agree on every host, and tells which servers have been started again, in a round of
 * all. A host that does not answer is left as it is; one that needs many repairs, or takes long for them, gets the
 * rest in the next runs. May be killed at any line and run by several processes at once.
 * @throws Unavailable when MySQL does not answer
 */
export async function reconcile(ports: ReconcilePorts, limits: RoundLimits): Promise<ReconcileReport> {
  const hosts = (await ports.store.hosts.list()).map(({ host }) => host);
  const results = await goRound(ports, hosts, limits, (host, timeLeft) => reconcileHost(ports, host, timeLeft));
  return {
    repairs: results.flatMap(({ repairs }) => repairs),
    restarts: results.flatMap(({ restarts }) => restarts),
    unseen: results.flatMap(({ unseen }) => unseen),
  };
}

type HostReport = { readonly [Part in keyof ReconcileReport]: ReconcileReport[Part][number][] };

async function reconcileHost(ports: ReconcilePorts, host: EngineHost, timeLeft: TimeLeft): Promise<HostReport> {
  const done: HostReport["repairs"] = [];
  const restarts: HostReport["restarts"] = [];
  let refusal: EngineFault | undefined;
  try {
    const before = await ports.store.leases.listOpenOf(host.name);
    const containers = await ports.engines.listContainers(host, timeLeft());
    const after = await openAfter(ports, host, before, containers);
    for (const repair of ofThisRun(findRepairs(before, containers, after, ports.clock()), ports.clock())) {
      try {
        await perform(ports, host, repair, timeLeft());
        await note(ports, host, repair);
        done.push({ ...repair, hostName: host.name });
      } catch (fault) {
        // A repair that the engine refuses must not keep the others waiting; when the engine is silent, all are
        // given up.
        if (!(fault instanceof EngineFault) || isSilence(fault)) throw fault;
        refusal = fault;
      }
    }
    const running = before.filter(({ id, state }) => state === "running" && after.has(id)).map(({ id }) => id);
    for (const restart of await ports.engines.listRestarts(host, running, timeLeft()))
      if (await noteRestart(ports, host, restart)) restarts.push({ ...restart, hostName: host.name });
    return { repairs: done, restarts, unseen: refusal ? [{ hostName: host.name, fault: refusal }] : [] };
  } catch (fault) {
    if (!(fault instanceof EngineFault)) throw fault;
    return { repairs: done, restarts, unseen: [{ hostName: host.name, fault }] };
  }
}

/**
 * Ids of the host's open rows after its containers were listed. They matter only for containers that had no row
 * before: where there are none, the rows from before will do.
 */
async function openAfter(
  { store }: ReconcilePorts,
  host: EngineHost,
  before: readonly RowFacts[],
  containers: readonly ContainerFacts[],
): Promise<ReadonlySet<string>> {
  const known = new Set(before.map(({ id }) => id));
  if (containers.every(({ instanceId }) => known.has(instanceId))) return known;
  return new Set((await store.leases.listOpenOf(host.name)).map(({ id }) => id));
}

/** Rows first: an engine cannot make them up. */
function ofThisRun(repairs: readonly Repair[], now: Date): Repair[] {
  const [ends, removals] = [
    repairs.filter(({ kind }) => kind !== "remove-container"),
    repairs.filter(({ kind }) => kind === "remove-container"),
  ];
  return [...takingTurns(ends, now), ...takingTurns(removals, now)].slice(0, REPAIRS_A_RUN);
}

async function perform(ports: ReconcilePorts, host: EngineHost, repair: Repair, withinMs: number): Promise<void> {
  if (repair.kind === "remove-container") return ports.engines.removeContainer(host, repair.instanceId, withinMs);
  if (repair.kind === "end-warm") {
    await endWarm(ports, host, repair.instanceId, withinMs);
    return;
  }
  const place = { instanceId: repair.instanceId, state: "running" as const, host };
  const result = await endInstance(ports, place, repair.cause, withinMs);
  // The repair is not done: it is reported with the host that refused it, or did not answer.
  if (result.kind === "later") throw result.fault;
}

function note({ store, clock }: ReconcilePorts, host: EngineHost, repair: Repair): Promise<void> {
  const told = { actor: "reconcile", host: host.name, instance: repair.instanceId, reason: repair.reason } as const;
  const { kind } = repair;
  return store.events.add(
    kind === "end" ? { ...told, kind, data: { cause: repair.cause } } : { ...told, kind },
    clock(),
  );
}

/** Keeps a restart and tells it, once; false when it is known. */
async function noteRestart(
  { store, clock }: ReconcilePorts,
  host: EngineHost,
  { instanceId, at, cause }: Restart & { readonly instanceId: string },
): Promise<boolean> {
  if (!(await store.leases.noteRestart(instanceId, { at, cause }))) return false;
  await store.events.add(
    {
      actor: "reconcile",
      host: host.name,
      instance: instanceId,
      kind: "restart",
      reason: `${RESTART_REASONS[cause]}; it runs again, empty, at the same address`,
      data: { at: at.toISOString(), cause },
    },
    clock(),
  );
  return true;
}
