import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { waitForPong } from "../../apps/adapters/redis/probe.ts";
import { startService, type Service } from "../bed/service.ts";
import { quantile } from "./quantile.ts";

const run = promisify(execFile);
const ROUNDS = 40;
const PASSWORD = "bench";

/**
 * Time from request to first PONG, one at a time: `POST /instances` beside a plain `docker run` of the
 * same image on the same engine, taken in turns so that both see the same machine.
 */
const service = await startService({ capacity: 8, env: { QUOTA_PER_ADDRESS: "8" } });
try {
  const posts: number[] = [];
  const runs: number[] = [];
  // The first of each pays for connections and caches.
  for (let round = -2; round < ROUNDS; round++) {
    const post = await timePost(service);
    const dockerRun = await timeDockerRun(service);
    if (round >= 0) {
      posts.push(post);
      runs.push(dockerRun);
    }
  }
  console.log(`Cold hand-out to first PONG, ${ROUNDS} of each in turns:`);
  console.log("                   p50      p99");
  console.log(`POST /instances  ${cell(posts, 0.5)} ${cell(posts, 0.99)}`);
  console.log(`docker run       ${cell(runs, 0.5)} ${cell(runs, 0.99)}`);
  console.log(
    `ratio             ${(quantile(posts, 0.5) / quantile(runs, 0.5)).toFixed(2)}     ` +
      `${(quantile(posts, 0.99) / quantile(runs, 0.99)).toFixed(2)}   (goal: at most 1.15)`,
  );
} finally {
  await service.stop();
}

async function timePost({ origin }: Service): Promise<number> {
  const begun = performance.now();
  const answer = await fetch(`${origin}/instances`, { method: "POST" });
  const handout = (await answer.json()) as { id: string; host: string; port: number; password: string; token: string };
  if (answer.status !== 201) throw new Error(`POST /instances answered ${answer.status}`);
  await waitForPong(handout.host, handout.port, handout.password, AbortSignal.timeout(10_000));
  const ms = performance.now() - begun;
  await fetch(`${origin}/instances/${handout.id}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${handout.token}` },
  });
  return ms;
}

async function timeDockerRun({ hosts: [host] }: Service): Promise<number> {
  if (!host) throw new Error("there is no host");
  const docker = (...args: string[]) => run("docker", ["-H", host.url, ...args]);
  const network = (await host.docker.listNetworks()).find(({ Name }) => Name.startsWith("getaredis-"))?.Name ?? "";
  const begun = performance.now();
  await docker(
    "run",
    "--detach",
    "--name",
    "bench",
    "--network",
    network,
    "--publish",
    "30000:6379",
    host.image,
    "--requirepass",
    PASSWORD,
    "--bind",
    "0.0.0.0",
  );
  await waitForPong(host.address, 30_000, PASSWORD, AbortSignal.timeout(10_000));
  const ms = performance.now() - begun;
  await docker("rm", "--force", "bench");
  return ms;
}

function cell(values: readonly number[], share: number): string {
  return `${quantile(values, share).toFixed(0)} ms`.padStart(8);
}
