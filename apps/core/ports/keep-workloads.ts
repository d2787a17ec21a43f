import pMap from "p-map";
import { EngineFault } from "../fleet/engine-fault.ts";
import type { Hosts } from "../fleet/contract.ts";
import type { EngineHost } from "../fleet/host.ts";
import type { Events } from "../events/contract.ts";
import type { WorkloadEngines, Workloads } from "./contract.ts";
import { stepsTo, type Workload, type WorkloadContainer } from "./workload.ts";

/** What keeping workloads needs. */
export type KeepWorkloadsPorts = {
  readonly store: {
    readonly workloads: Pick<Workloads, "list" | "acknowledge">;
    readonly hosts: Pick<Hosts, "list">;
    readonly events: Pick<Events, "add">;
  };
  readonly engines: WorkloadEngines;
  readonly clock: () => Date;
};

/** After a fault a workload is left alone for so long, unless it is changed. */
const RETRY_MS = 15_000;

/**
 * Moves the containers of all workloads to what they should be, hosts beside each other. Each step can be repeated; what
 * was carried out is noted after it was. A workload that fails keeps no other from its turn.
 * @returns how many were carried out, and how many could not be
 * @throws Unavailable when MySQL does not answer
 */
export async function keepWorkloads(
  ports: KeepWorkloadsPorts,
  concurrency: number,
): Promise<{ readonly done: number; readonly failed: number }> {
  const workloads = await ports.store.workloads.list();
  if (workloads.length === 0) return { done: 0, failed: 0 };
  const hosts = new Map((await ports.store.hosts.list()).map(({ host }) => [host.name, host]));
  const results = await pMap(
    Map.groupBy(workloads, ({ host }) => host),
    async ([name, ofHost]) => {
      const host = hosts.get(name);
      return host ? keepHost(ports, host, ofHost) : [];
    },
    { concurrency },
  );
  const all = results.flat();
  return {
    done: all.filter((result) => result === "done").length,
    failed: all.filter((result) => result === "failed").length,
  };
}

type Outcome = "done" | "failed" | "nothing";

async function keepHost(
  ports: KeepWorkloadsPorts,
  host: EngineHost,
  workloads: readonly Workload[],
): Promise<Outcome[]> {
  const due = workloads.filter((workload) => isDue(workload, ports.clock()));
  if (due.length === 0) return [];
  let containers: readonly WorkloadContainer[];
  try {
    containers = await ports.engines.listWorkloads(host);
  } catch (fault) {
    if (!(fault instanceof EngineFault)) throw fault;
    const waiting = due.filter(({ generation, done }) => done?.generation !== generation);
    for (const workload of waiting) await acknowledge(ports, workload, fault.message);
    return waiting.map(() => "failed" as const);
  }
  const outcomes: Outcome[] = [];
  for (const workload of due) outcomes.push(await keepOne(ports, host, workload, containers));
  return outcomes;
}

/** A workload is looked at each time, but for a while after a fault. */
function isDue({ generation, done }: Workload, now: Date): boolean {
  if (done === null || done.generation !== generation || done.fault === null) return true;
  return now.getTime() - done.at.getTime() >= RETRY_MS;
}

async function keepOne(
  ports: KeepWorkloadsPorts,
  host: EngineHost,
  workload: Workload,
  containers: readonly WorkloadContainer[],
): Promise<Outcome> {
  const steps = stepsTo(workload, containers);
  const isKnown = workload.done?.generation === workload.generation && workload.done.fault === null;
  if (steps.length === 0 && isKnown) return "nothing";
  try {
    // Before anything is taken away: what runs goes on when its successor cannot be had.
    if (steps.some(({ kind }) => kind === "create") && !(await ports.engines.hasImage(host, workload.image)))
      await ports.engines.pullImage(host, workload.image);
    for (const { kind, container } of steps)
      if (kind === "create") await ports.engines.createWorkload(host, workload, container);
      else await ports.engines.turnWorkload(host, container, kind);
  } catch (fault) {
    if (!(fault instanceof EngineFault)) throw fault;
    await acknowledge(ports, workload, fault.message);
    return "failed";
  }
  await acknowledge(ports, workload, null);
  return "done";
}

async function acknowledge(ports: KeepWorkloadsPorts, workload: Workload, fault: string | null): Promise<void> {
  const { store, clock } = ports;
  const { name, image, state, copies, generation, host } = workload;
  await store.workloads.acknowledge(workload, { generation, at: clock(), fault });
  const what = `${name}, ${copies} of ${image}`;
  await store.events.add(
    fault === null
      ? { actor: "workloads", kind: "workload", host, reason: `${what}: ${state}` }
      : { actor: "workloads", kind: "workload-failed", host, reason: `${what}, cannot be ${state}: ${fault}` },
    clock(),
  );
}
