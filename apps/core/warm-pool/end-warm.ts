import type { EngineHost } from "../fleet/host.ts";
import { removeAndClose, type EndPorts } from "../instances/end-instance.ts";
import type { WarmPool } from "./contract.ts";

/** What ending an instance of the pool needs. */
export type EndWarmPorts = EndPorts & { readonly store: { readonly warmPool: Pick<WarmPool, "end"> } };

/**
 * Ends an instance that nobody holds yet: from here on no hand-out gets it, and its slot is free once its container is
 * gone. One that a hand-out has claimed meanwhile is left alone.
 * @param withinMs time that the engine gets to remove the container
 * @returns whether this call ended it
 * @throws EngineFault when the container may still be there: the row stays `ending` for the reaper
 */
export async function endWarm(
  ports: EndWarmPorts,
  host: EngineHost,
  instanceId: string,
  withinMs?: number,
): Promise<boolean> {
  if (!(await ports.store.warmPool.end(instanceId))) return false;
  await removeAndClose(ports, { instanceId, host }, { withinMs });
  return true;
}
