import pMap from "p-map";
import { EngineFault } from "../domain/engine-fault.ts";
import type { ContainerPlace } from "../domain/instance.ts";
import { endInstance, type EndPorts } from "./end-instance.ts";

/** What the reaper needs. */
export type ReapPorts = EndPorts & { readonly store: { readonly listDue: (now: Date) => Promise<ContainerPlace[]> } };

/** What a run of the reaper did: instances ended, and hosts whose rows wait, with the fault. */
export type ReapReport = { readonly ended: number; readonly waiting: readonly { readonly hostName: string; readonly instances: number; readonly fault: EngineFault }[] };

const REMOVALS_PER_HOST = 4;

/**
 * Ends every lease past its end and finishes the ends that were begun and not completed, on
 * `concurrency` hosts at once. Rows of a host that fails wait for the next run and are reported.
 * May be killed at any line and run by several processes at once.
 * @throws Unavailable when MySQL does not answer
 */
export async function reap(ports: ReapPorts, concurrency: number): Promise<ReapReport> {
  const due = await ports.store.listDue(ports.clock());
  const byHost = Map.groupBy(due, (place) => place.host.name);
  const results = await pMap(byHost, ([hostName, places]) => reapHost(ports, hostName, places), { concurrency });
  return { ended: results.reduce((sum, { ended }) => sum + ended, 0), waiting: results.flatMap(({ waiting }) => waiting ?? []) };
}

async function reapHost(ports: ReapPorts, hostName: string, places: readonly ContainerPlace[]): Promise<{ ended: number; waiting?: ReapReport["waiting"][number] }> {
  let ended = 0;
  let fault: EngineFault | undefined;
  await pMap(
    places,
    async (place) => {
      try {
        // The lease ends on time even where the host does not answer any more.
        if (fault && place.state === "ending") return;
        await endInstance(ports, place, "expired");
        ended++;
      } catch (error) {
        if (!(error instanceof EngineFault)) throw error;
        fault = error;
      }
    },
    { concurrency: REMOVALS_PER_HOST },
  );
  return fault ? { ended, waiting: { hostName, instances: places.length - ended, fault } } : { ended };
}
