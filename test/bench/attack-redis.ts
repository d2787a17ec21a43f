import { spawn } from "node:child_process";
import { once } from "node:events";
import { startService, type Service } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";
import { giveBack, handOutToPong } from "./hand-out.ts";

const CONNECTIONS = 3_000;
const QUIET_MS = 5_000;
/** Long enough for heartbeats that were lost to count as silence. */
const ATTACK_MS = 12_000;
/**
 * A process that holds connections to a Redis without logging in, and begins anew those that are ended. A new one
 * takes 17 KB of Redis's memory for clients, an idle one soon less, and one that talks more: so they stay new.
 */
const ATTACKER = `
const { connect } = require("node:net");
const [port, count] = process.argv.slice(1).map(Number);
const hold = () => {
  const socket = connect(port, "127.0.0.1").resume();
  socket.on("error", () => undefined);
  socket.on("close", () => setTimeout(hold, 20));
  socket.setTimeout(1_000 + Math.random() * 1_000, () => socket.destroy());
};
for (let each = 0; each < count; each++) setTimeout(hold, each / 3);
setTimeout(() => console.log("all begun"), count / 3 + 500);
`;

/** What strangers who hold connections to the control plane's Redis cost others. */
export const attackRedis: Bench = {
  name: "attack-redis",
  measures: "time from POST /instances to PONG while strangers hold connections to the control plane's Redis",
  yardstick: "the same before",
  goal: "ratio <= 1.5, and everybody gets an instance",
  run,
};

async function run(): Promise<Outcome> {
  const service = await startService({ capacity: 8, env: { QUOTA_PER_ADDRESS: "8" } });
  try {
    await handOuts(service, 1_000);
    const quiet = await handOuts(service, QUIET_MS);
    const attacker = spawn(
      process.execPath,
      ["--eval", ATTACKER, new URL(service.services.redisUrl).port, String(CONNECTIONS)],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    try {
      await once(attacker.stdout, "data");
      const attacked = await handOuts(service, ATTACK_MS);
      const goal = { of: "ratio", atMost: 1.5 } as const;
      return {
        figures: timeFigures("POST to PONG", [attacked.ms], [quiet.ms], { p50: goal, p99: goal }),
        notes: [
          `strangers hold ${CONNECTIONS} connections: ${attacked.ms.length - attacked.failed} of ` +
            `${attacked.ms.length} got an instance`,
        ],
      };
    } finally {
      attacker.kill("SIGKILL");
    }
  } finally {
    await service.stop();
  }
}

/** Asks for instances one at a time, and gives each back. */
async function handOuts({ origin }: Service, forMs: number): Promise<{ ms: number[]; failed: number }> {
  const ms: number[] = [];
  let failed = 0;
  for (const end = performance.now() + forMs; performance.now() < end;) {
    const begun = performance.now();
    const answer = await handOutToPong(origin).catch(() => undefined);
    ms.push(performance.now() - begun);
    if (answer) await giveBack(origin, answer);
    else failed++;
  }
  return { ms, failed };
}
