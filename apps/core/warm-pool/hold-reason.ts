import { messageOf } from "../../lib/errors.ts";
import { EngineFault, type EngineFaultReason } from "../fleet/engine-fault.ts";

const engineWords: Readonly<Record<Exclude<EngineFaultReason, "refused">, string>> = {
  unreachable: "its Docker Engine cannot be reached",
  certificate: "its Docker Engine and the control plane do not accept each other's certificates",
  timeout: "its Docker Engine did not answer in time",
  "port-taken": "something else on the host uses a port of its slots",
  "image-missing": "its Docker Engine does not have the image",
};

/**
 * Why no instance can be kept ready on a host, in a sentence. The same fault gives the same sentence each time, so that
 * in the history it is one line with a count; the log has the details.
 * @param instanceId of the instance that did not start
 */
export function holdReason(fault: unknown, instanceId: string): string {
  const why =
    fault instanceof EngineFault && fault.reason !== "refused"
      ? engineWords[fault.reason]
      : messageOf(fault).replaceAll(instanceId, "…");
  return `no instance can be kept ready on it: ${why}`;
}
