import { spawn } from "node:child_process";
import { once } from "node:events";
import { waitForPong } from "../../apps/adapters/redis/probe.ts";
import { startService, type Service } from "../bed/service.ts";
import { quantile } from "./quantile.ts";

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

/**
 * What strangers who hold connections to the control plane's Redis cost others: time from request to first PONG,
 * quiet and meanwhile, and how many got an instance at all.
 */
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
    console.log(`Hand-outs while strangers hold ${CONNECTIONS} connections to the control plane's Redis:`);
    console.log("            p50      p99   got an instance");
    for (const [what, { ms, failed }] of Object.entries({ quiet, attacked }))
      console.log(`${what.padEnd(8)}${cell(ms, 0.5)} ${cell(ms, 0.99)}   ${ms.length - failed} of ${ms.length}`);
    const ratio = (share: number) => (quantile(attacked.ms, share) / quantile(quiet.ms, share)).toFixed(2);
    console.log(`ratio       ${ratio(0.5)}     ${ratio(0.99)}   (goal: at most 1.5, and all of them)`);
  } finally {
    attacker.kill("SIGKILL");
  }
} finally {
  await service.stop();
}

/** Asks for instances one at a time, and gives each back. */
async function handOuts({ origin }: Service, forMs: number): Promise<{ ms: number[]; failed: number }> {
  const ms: number[] = [];
  let failed = 0;
  for (const end = performance.now() + forMs; performance.now() < end;) {
    const begun = performance.now();
    const answer = await fetch(`${origin}/instances`, { method: "POST" });
    const handout = (await answer.json()) as {
      id: string;
      host: string;
      port: number;
      password: string;
      token: string;
    };
    if (answer.status === 201)
      await waitForPong(handout.host, handout.port, handout.password, AbortSignal.timeout(10_000));
    else failed++;
    ms.push(performance.now() - begun);
    if (answer.status === 201)
      await fetch(`${origin}/instances/${handout.id}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${handout.token}` },
      });
  }
  return { ms, failed };
}

function cell(values: readonly number[], share: number): string {
  return `${quantile(values, share).toFixed(0)} ms`.padStart(8);
}
