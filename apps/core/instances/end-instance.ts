import type { EdgeRoutes } from "../edge/edge-routes.ts";
import { EngineFault } from "../fleet/engine-fault.ts";
import type { InstanceEngines, Leases } from "./contract.ts";
import type { ContainerPlace } from "./instance.ts";
import type { EndCause } from "../events/names.ts";

/** What ending needs of the store and the engines. */
export type EndPorts = {
  readonly store: { readonly leases: Pick<Leases, "beginEnd" | "close"> };
  readonly engines: Pick<InstanceEngines, "removeContainer">;
  /** Routes at the edge; undefined without one. */
  readonly edge?: Pick<EdgeRoutes, "untilGone"> | undefined;
  readonly clock: () => Date;
};

/** The outcome of ending an instance. */
export type EndResult =
  /** Nothing is left to do for this caller. */
  | { readonly kind: "ended" }
  /** The lease is over, but the container may still be there: the row stays `ending` for the reaper. */
  | { readonly kind: "later"; readonly fault: EngineFault };

/**
 * Ends an instance: first the lease with its quota place, then the container, and the row with its slot only
 * when the engine has confirmed that the container is gone. Any number of callers may do so at once; steps
 * already done are skipped.
 * @param withinMs time that the engine gets to remove the container
 * @throws Unavailable when MySQL does not answer
 */
export async function endInstance(
  ports: EndPorts,
  place: ContainerPlace,
  cause: EndCause,
  withinMs?: number,
): Promise<EndResult> {
  if (place.state === "ended") return { kind: "ended" };
  if (place.state !== "ending") {
    // Not begun: it has been extended or handed out since it was read, or another caller is ending it and the
    // reaper finishes what is left.
    if (!(await ports.store.leases.beginEnd(place.instanceId, cause, ports.clock()))) return { kind: "ended" };
  }
  try {
    await removeAndClose(ports, place, { withinMs });
  } catch (fault) {
    if (fault instanceof EngineFault) return { kind: "later", fault };
    throw fault;
  }
  return { kind: "ended" };
}

/**
 * The second half of an end that has begun. While a gateway that lives may still lead to it, or it is unknown which live,
 * the row stays `ending` for the reaper: its slot is nobody else's before.
 * @throws EngineFault when the container may still be there: the row stays `ending` for the reaper
 */
export async function removeAndClose(
  ports: EndPorts,
  place: Omit<ContainerPlace, "state">,
  {
    portTakenUntil,
    withinMs,
  }: { readonly portTakenUntil?: Date | undefined; readonly withinMs?: number | undefined } = {},
): Promise<void> {
  const gone = ports.edge?.untilGone(place.instanceId) ?? Promise.resolve(true);
  await ports.engines.removeContainer(place.host, place.instanceId, withinMs);
  if (await gone) await ports.store.leases.close(place.instanceId, ports.clock(), portTakenUntil);
}
