import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findProcesses } from "../../infra/process/processes.ts";
import { startService, type Service } from "../bed/service.ts";
import { quantile } from "./quantile.ts";

const run = promisify(execFile);
const PAGES = 60;
const POSTS = 6;
const GIVEN_UP_MS = 2_000;
/** Files and sockets that the API may have open here: fewer than the idle connections, as on any machine in the end. */
const OPEN_FILES = 4_500;
const IDLE = 5_000;
const STREAMS = 1_500;
const FLOOD = 32;

const attacks = {
  "idle connections": holdIdle,
  "operator's streams": followFleet,
  "/readyz flood": askReadiness,
};
type Attack = keyof typeof attacks;

const [attack, attacked = "", token = ""] = process.argv.slice(2);
if (attack === undefined) await measure();
else await attacks[attack as Attack](Number(attacked), token);

/**
 * What an honest client waits for the page and for an instance, each on a connection of its own: quiet, and beside
 * attacks on the HTTP server from 20 other addresses of this machine.
 */
async function measure(): Promise<void> {
  const service = await startService({ env: { RATE_LIMIT_PER_MINUTE: "1000000" } });
  try {
    for (const pid of await findProcesses((line) => line.some((word) => word.endsWith("apps/api/main.ts"))))
      if ((await parentOf(pid)) === process.pid) await run("prlimit", ["--pid", String(pid), `--nofile=${OPEN_FILES}`]);
    await waitsOf(service, 5, 1);
    const quiet = await waitsOf(service, PAGES, POSTS);
    console.log(`An honest client beside attacks on the HTTP server, ${PAGES} pages and ${POSTS} hand-outs each:`);
    console.log("                        GET / p50       p99   POST p50       p99   failed");
    print("quiet", quiet, quiet);
    for (const name of Object.keys(attacks)) {
      const attacker = spawn(
        process.execPath,
        [fileURLToPath(import.meta.url), name, new URL(service.origin).port, service.opsToken],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      try {
        await ready(attacker);
        print(name, await waitsOf(service, PAGES, POSTS), quiet);
      } finally {
        attacker.kill("SIGKILL");
        await once(attacker, "close");
      }
    }
  } finally {
    await service.stop();
  }
}

type Waits = { readonly pages: number[]; readonly posts: number[]; failed: number };

async function waitsOf(service: Service, pages: number, posts: number): Promise<Waits> {
  const waits: Waits = { pages: [], posts: [], failed: 0 };
  const timed = async (into: number[], ask: () => Promise<unknown>) => {
    const begun = performance.now();
    await ask().catch(() => waits.failed++);
    into.push(performance.now() - begun);
    return waits.failed;
  };
  // What fails takes the whole time: a few show it.
  for (let count = 0; count < pages && waits.failed < 2; count++)
    await timed(waits.pages, () => askOnce(service, "GET", "/"));
  for (let count = 0; count < posts && waits.failed < 3; count++) {
    let handout: { id: string; token: string } | undefined;
    await timed(waits.posts, async () => {
      handout = JSON.parse(await askOnce(service, "POST", "/instances")) as { id: string; token: string };
    });
    if (handout) await askOnce(service, "DELETE", `/instances/${handout.id}`, handout.token).catch(() => undefined);
  }
  return waits;
}

async function askOnce({ origin }: Service, method: string, path: string, bearer?: string): Promise<string> {
  const asked = request(`${origin}${path}`, {
    method,
    agent: false,
    signal: AbortSignal.timeout(GIVEN_UP_MS),
    ...(bearer !== undefined && { headers: { authorization: `Bearer ${bearer}` } }),
  }).end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  const body = await text(answer);
  if ((answer.statusCode ?? 500) >= 400) throw new Error(`${method} ${path} answered ${answer.statusCode}`);
  return body;
}

function print(name: string, { pages, posts, failed }: Waits, quiet: Waits): void {
  const cell = (values: number[], base: number[], share: number) =>
    `${quantile(values, share).toFixed(1)} (${(quantile(values, share) / quantile(base, share)).toFixed(1)}x)`.padStart(
      16,
    );
  console.log(
    `${name.padEnd(20)} ${cell(pages, quiet.pages, 0.5)}${cell(pages, quiet.pages, 0.99)}` +
      `${cell(posts, quiet.posts, 0.5)}${cell(posts, quiet.posts, 0.99)}   ${failed}`,
  );
}

async function parentOf(pid: number): Promise<number> {
  const { stdout } = await run("ps", ["-o", "ppid=", "-p", String(pid)]);
  return Number(stdout);
}

async function ready({ stdout }: ChildProcess): Promise<void> {
  if (!stdout) throw new Error("the attacker has no output");
  await once(stdout, "data");
}

// From here on, what the attacker does, until it is killed.

function open(port: number, index: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", localAddress: `127.0.1.${1 + (index % 20)}` });
  return socket.on("error", () => undefined).resume();
}

/** Connections that are answered once and kept. */
async function holdIdle(port: number): Promise<void> {
  for (let index = 0; index < IDLE; index++) {
    open(port, index).write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    if (index % 100 === 0) await sleep(5);
  }
  await sleep(1_000);
  console.log("ready");
  await sleep(60_000);
}

async function followFleet(port: number, opsToken: string): Promise<void> {
  for (let index = 0; index < STREAMS; index++) {
    open(port, index).write(
      `GET /ops/api/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${opsToken}\r\n\r\n`,
    );
    if (index % 50 === 0) await sleep(10);
  }
  await sleep(1_000);
  console.log("ready");
  await sleep(60_000);
}

async function askReadiness(port: number): Promise<void> {
  const ask = "GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
  for (let index = 0; index < FLOOD; index++) {
    const socket = open(port, index);
    socket.on("data", () => socket.write(ask)).write(ask);
  }
  await sleep(500);
  console.log("ready");
  await sleep(60_000);
}
