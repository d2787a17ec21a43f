import pMap from "p-map";
import { EngineFault, isSilence } from "../fleet/engine-fault.ts";
import { goRound, takingTurns, type RoundLimits, type RoundPorts, type TimeLeft } from "../fleet/round.ts";
import type { Events } from "../events/contract.ts";
import type { Leases } from "./contract.ts";
import type { ContainerPlace } from "./instance.ts";
import { removeAndClose, type EndPorts } from "./end-instance.ts";

/** What the reaper needs. */
export type ReapPorts = EndPorts &
  RoundPorts & {
    readonly store: { readonly leases: Pick<Leases, "endOver" | "listDue">; readonly events: Pick<Events, "add"> };
  };

/** The report of a run of the reaper: instances ended, and hosts whose rows wait, with the fault. */
export type ReapReport = { readonly ended: number; readonly waiting: readonly WaitingHost[] };

/** A host that did not remove its containers, and how many instances wait for it. */
export type WaitingHost = { readonly hostName: string; readonly instances: number; readonly fault: EngineFault };

const REMOVALS_PER_HOST = 4;

/**
 * Ends every lease past its end and finishes the ends that were begun and not completed, in a round of their
 * hosts. Rows of a host that fails wait for the next run and are reported, also as events.
 * May be killed at any line and run by several processes at once.
 * @throws Unavailable when MySQL does not answer
 */
export async function reap(ports: ReapPorts, limits: RoundLimits): Promise<ReapReport> {
  const { leases } = ports.store;
  // Leases end on time, whatever their hosts do: their quota places are free from here on.
  await leases.endOver(ports.clock());
  const ending = (await leases.listDue(ports.clock())).filter(({ state }) => state === "ending");
  const placesOf = Map.groupBy(ending, (place) => place.host.name);
  const hosts = [...placesOf.values()].flatMap(([first]) => (first ? [first.host] : []));
  const results = await goRound(ports, hosts, limits, ({ name }, timeLeft) =>
    clearHost(ports, name, takingTurns(placesOf.get(name) ?? [], ports.clock()), timeLeft),
  );
  return {
    ended: results.reduce((sum, { ended }) => sum + ended, 0),
    waiting: results.flatMap(({ waiting }) => waiting),
  };
}

/** Removes containers until the host falls silent: one that hangs must not hold up the run once for each of them. */
async function clearHost(
  ports: ReapPorts,
  hostName: string,
  places: readonly ContainerPlace[],
  timeLeft: TimeLeft,
): Promise<{ ended: number; waiting: WaitingHost[] }> {
  let ended = 0;
  let fault: EngineFault | undefined;
  await pMap(
    places,
    async (place) => {
      // A container that it refuses to remove must not keep the others waiting, in this run and each later one.
      if (fault && isSilence(fault)) return;
      try {
        await removeAndClose(ports, place, { withinMs: timeLeft() });
        ended++;
      } catch (error) {
        if (!(error instanceof EngineFault)) throw error;
        fault = error;
      }
    },
    { concurrency: REMOVALS_PER_HOST },
  );
  if (!fault) return { ended, waiting: [] };
  await ports.store.events.add(
    { actor: "reap", kind: "hold", host: hostName, reason: `ended instances wait for their host: ${fault.reason}` },
    ports.clock(),
  );
  return { ended, waiting: [{ hostName, instances: places.length - ended, fault }] };
}
