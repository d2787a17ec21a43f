import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findProcesses } from "../../infra/process/processes.ts";
import { startService, type Service } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";
import { httpAttacks } from "./http-attacks.ts";

const runProgram = promisify(execFile);
const PAGES = 60;
const POSTS = 6;
const GIVEN_UP_MS = 2_000;
/** Files and sockets that the API may have open here: fewer than the idle connections, as on any machine in the end. */
const OPEN_FILES = 4_500;
const ATTACKER = fileURLToPath(new URL("http-attacks.ts", import.meta.url));

/** What attacks on the HTTP server cost an honest client. */
export const attackHttp: Bench = {
  name: "attack-http",
  measures: "an honest client's page and hand-out beside attacks on the HTTP server from 20 other addresses",
  yardstick: "the same before",
  goal: "",
  run,
};

/**
 * What an honest client waits for the page and for an instance, each on a connection of its own: quiet, and beside
 * attacks on the HTTP server from 20 other addresses of this machine.
 */
async function run(): Promise<Outcome> {
  const service = await startService({ env: { RATE_LIMIT_PER_MINUTE: "1000000" } });
  try {
    for (const pid of await findProcesses((line) => line.some((word) => word.endsWith("apps/api/main.ts"))))
      if ((await parentOf(pid)) === process.pid)
        await runProgram("prlimit", ["--pid", String(pid), `--nofile=${OPEN_FILES}`]);
    await waitsOf(service, 5, 1);
    const quiet = await waitsOf(service, PAGES, POSTS);
    const figures = [];
    const notes = [];
    for (const name of Object.keys(httpAttacks)) {
      const attacker = spawn(process.execPath, [ATTACKER, name, new URL(service.origin).port, service.opsToken], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        await ready(attacker);
        const waits = await waitsOf(service, PAGES, POSTS);
        figures.push(
          ...timeFigures(`page, ${name}`, [waits.pages], [quiet.pages]),
          ...timeFigures(`hand-out, ${name}`, [waits.posts], [quiet.posts]),
        );
        notes.push(`${name}: ${waits.failed} failed`);
      } finally {
        attacker.kill("SIGKILL");
        await once(attacker, "close");
      }
    }
    return { figures, notes };
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

async function parentOf(pid: number): Promise<number> {
  const { stdout } = await runProgram("ps", ["-o", "ppid=", "-p", String(pid)]);
  return Number(stdout);
}

async function ready({ stdout }: ChildProcess): Promise<void> {
  if (!stdout) throw new Error("the attacker has no output");
  await once(stdout, "data");
}
