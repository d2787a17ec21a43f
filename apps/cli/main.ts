import { thisMachine } from "./machine.ts";
import { runCli } from "./program.ts";

/** The `getaredis` program. */
process.exitCode = await runCli(await thisMachine());
