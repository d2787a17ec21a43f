import { totalmem } from "node:os";
import { capacityOf } from "../../../apps/core/settings/hosts.ts";

/** Slots of this machine, out of the settings and of its memory. */
export function boxCapacity(settings: Parameters<typeof capacityOf>[0]): number {
  return capacityOf(settings, "box", Math.floor(totalmem() / 1024 ** 2));
}
