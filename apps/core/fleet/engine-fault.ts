import { messageOf } from "../../lib/errors.ts";

/**
 * Why an engine did not do what it was asked: it cannot be reached, one side does not accept the other's
 * certificate, it did not answer in time, the port is taken by something else on the host, it has no such
 * image, or it refused for another reason.
 */
export type EngineFaultReason = "unreachable" | "certificate" | "timeout" | "port-taken" | "image-missing" | "refused";

/** A call to a Docker Engine that failed. Whether it had an effect is unknown. */
export class EngineFault extends Error {
  override readonly name = "EngineFault";
  readonly reason: EngineFaultReason;
  readonly hostName: string;

  constructor(reason: EngineFaultReason, hostName: string, cause: unknown) {
    super(`engine of ${hostName}: ${messageOf(cause)}`, { cause });
    this.reason = reason;
    this.hostName = hostName;
  }
}

/** Whether the engine as a whole did not answer, so that asking it for something else would fail as well. */
export function isSilence(fault: EngineFault): boolean {
  return fault.reason === "unreachable" || fault.reason === "certificate" || fault.reason === "timeout";
}
