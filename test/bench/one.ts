import { benches } from "./benches.ts";

/** A program: the measurement of this name, which sends what it has found to the process that started it. */
const [, , name] = process.argv;
const bench = benches.find((each) => each.name === name);
if (!bench) throw new Error(`there is no measurement "${name}"`);
const outcome = await bench.run();
process.send?.(outcome, () => process.exit());
