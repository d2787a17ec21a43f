import { endAllBelow } from "../../infra/process/processes.ts";
import { benches } from "./benches.ts";

/** From asking to SIGKILL. */
const GRACE_MS = 5_000;

/** A program: the measurement of this name, which sends what it has found to the process that started it. */
const [, , name] = process.argv;
const bench = benches.find((each) => each.name === name);
if (!bench) throw new Error(`there is no measurement "${name}"`);
// Told to end, or alone since whoever started it was killed: what it has started, in sessions of their own, ends first.
let isEnding = false;
process.on("SIGTERM", endEarly).on("disconnect", endEarly);
const outcome = await bench.run().catch((fault: unknown) => {
  if (!isEnding) throw fault;
  // It fails for what is taken away from it.
  return new Promise<never>(() => undefined);
});
process.send?.(outcome, () => process.exit());

function endEarly(): void {
  if (isEnding) return;
  isEnding = true;
  void endAllBelow(process.pid, GRACE_MS).finally(() => process.exit(1));
}
