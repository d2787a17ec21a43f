/**
 * What start.test.ts has happen in namespaces of its own: `npm start` on a machine without a Docker
 * Engine, and the ways it can end. Prints what it saw as one line of JSON. Argument: a folder.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { freePort } from "../../../infra/process/free-port.ts";
import { endProcess, findProcesses } from "../../../infra/process/processes.ts";
import { until } from "../../bed/until.ts";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../../infra/start/main.ts", import.meta.url));
const READY = "Press Ctrl-C to stop everything.";
const dir = process.argv[2] ?? "";
const port = await freePort();

function start(settings: Record<string, string> = {}) {
  // Waiting by asking must not run into the limits of those who ask.
  const unlimited = { RATE_LIMIT_PER_MINUTE: "100000", HANDOUT_RATE_LIMIT_PER_MINUTE: "100000" };
  const env = { PATH: process.env.PATH, STATE_DIR: dir, PORT: String(port), ...unlimited, ...settings };
  const child = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exit = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return { child, exit, output: () => output };
}

async function startAndWait(settings: Record<string, string> = {}) {
  const program = start(settings);
  const ended = program.exit.then((how) => `ended: ${how}`);
  const ready = until("it says that it is ready", () => program.output().includes(READY), 60_000);
  const how = await Promise.race([ready, ended]);
  if (how !== true) throw new Error(`${String(how)}\n${program.output()}`);
  return program;
}

function ping(url: string): Promise<string> {
  return pingBy(new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => null }));
}

/** Nothing here answers for names: the certificate is checked for the URL's all the same. */
function pingEdge(url: string, ca: string): Promise<string> {
  const { hostname, port: edgePort, password } = new URL(url);
  return pingBy(
    new Redis({
      host: "127.0.0.1",
      port: Number(edgePort),
      password,
      tls: { ca, servername: hostname },
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    }),
  );
}

async function pingBy(redis: Redis): Promise<string> {
  redis.on("error", () => undefined);
  try {
    return await redis.ping();
  } catch (error) {
    return String(error);
  } finally {
    redis.disconnect();
  }
}

async function pidOf(program: string): Promise<number> {
  return (JSON.parse(await readFile(join(dir, "pids", program), "utf8")) as { pid: number }).pid;
}

function ours(): Promise<number[]> {
  return findProcesses(
    ([command = "", ...args]) =>
      /mariadbd|redis-server|dockerd|containerd|haproxy/.test(command) ||
      args.some((argument) => /apps\/|heartbeat\.sh|expire\.sh|janitor\.sh|port-map\.sh/.test(argument)),
  );
}

const faulty = start({ PORT: "many", LEASE_SECONDS: "long" });
const faultyExit = await faulty.exit;
const withToken = start({ DIGITALOCEAN_TOKEN: "dop_v1_0123456789abcdef" });
const withTokenExit = await withToken.exit;
const unreachable = start({ MYSQL_URL: "mysql://root:hidden-word@127.0.0.1:1/none" });
const unreachableExit = await unreachable.exit;
const squatter = createServer().listen(port, "127.0.0.1");
await once(squatter, "listening");
const blocked = start();
const blockedExit = await blocked.exit;
squatter.close();
const startedBeforePort = (await findProcesses(([command = ""]) => /mariadbd|dockerd/.test(command))).length;

const first = await startAndWait();
const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
await until("two instances are ready", async () =>
  /^getaredis_warm_instances\{state="warm"\} 2$/m.test(await metrics()),
);
const answer = await fetch(`http://127.0.0.1:${port}/instances`, { method: "POST", headers: { accept: "text/plain" } });
const url = (await answer.text()).trim();
const pong = await ping(url);
const [, firstBegan] = /^getaredis_handout_beginnings_total\{began="(\w+)"\} 1$/m.exec(await metrics()) ?? [];
// The first two slots, whose ports are an even one and the next.
const readyPort = Number(new URL(url).port) ^ 1;
const readyToNobody = await ping(`redis://127.0.0.1:${readyPort}`);
const readyToOthers = await ping(Object.assign(new URL(url), { port: String(readyPort) }).href);
const second = start();
const secondExit = await second.exit;
const beside = start({ STATE_DIR: join(dir, "beside"), PORT: String(await freePort()) });
const besideExit = await beside.exit;

const jobsSecrets = (await readFile(`/proc/${await pidOf("jobs")}/environ`, "utf8"))
  .split("\0")
  .filter((line) => /^(OPS_TOKEN|SERVER_SECRET)=/.test(line));

// A program that dies is started again.
await endProcess(await pidOf("api"), 5_000, "SIGKILL");
await until("the API is back", async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, 20_000);

// So are private servers, at the addresses that the programs know.
for (const server of ["mariadbd", "redis-server", "dockerd"]) {
  const [pid] = await findProcesses(
    ([command = "", ...args]) => command.endsWith(server) && args.some((argument) => argument.includes(dir)),
  );
  if (pid === undefined) throw new Error(`${server} does not run`);
  await endProcess(pid, 5_000, "SIGKILL");
}
const statusAfterServers = await until(
  "it hands out again",
  async () => {
    const { status } = await fetch(`http://127.0.0.1:${port}/instances`, { method: "POST" });
    return status === 201 ? status : undefined;
  },
  60_000,
);

// A warm instance is handed out without the engine, which sets up the ports again as it starts.
const pongAfterServers = await until(
  "the engine is back, and the first instance answers",
  async () => {
    if (!first.output().includes("the Docker Engine ended and is started again")) return undefined;
    const said = await ping(url);
    return said === "PONG" ? said : undefined;
  },
  60_000,
);

// Its parent is killed: what it started is found by the next start, and instances live on.
first.child.kill("SIGKILL");
await first.exit;
const again = await startAndWait();
const pongAfterKill = await ping(url);

// A program that does not end lets the user force it.
process.kill(await pidOf("jobs"), "SIGSTOP");
again.child.kill("SIGINT");
await until("it is stopping", () => again.output().includes("press Ctrl-C again to force"));
again.child.kill("SIGINT");
const forcedExit = await again.exit;
await until("all is dead", async () => (await ours()).length === 0);

// With a gateway of its own this time, before instances that nobody else reaches.
const edgePort = await freePort();
const edge = { EDGE_DOMAIN: "edge.test", EDGE_PORT: String(edgePort) };
const edgeSquatter = createServer().listen(edgePort, "127.0.0.1");
await once(edgeSquatter, "listening");
const edgeBlocked = start(edge);
const edgeBlockedExit = await edgeBlocked.exit;
edgeSquatter.close();
const afterForce = await startAndWait(edge);
const edgeAnswer = await fetch(`http://127.0.0.1:${port}/instances`, {
  method: "POST",
  headers: { accept: "text/plain" },
});
const statusAfterForce = edgeAnswer.status;
const edgeUrl = (await edgeAnswer.text()).trim();
const edgePong = await pingEdge(edgeUrl, await readFile(join(dir, "edge-certificate/ca.pem"), "utf8"));
afterForce.child.kill("SIGINT");
const exit = await afterForce.exit;
const left = await ours();

const { stdout: links } = await run("ip", ["-brief", "link"]);
const { stdout: tables } = await run("nft", ["list", "tables"]);
const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => line.includes(dir));

process.stdout.write(
  `${JSON.stringify({
    faulty: { exit: faultyExit, output: faulty.output() },
    withToken: { exit: withTokenExit, output: withToken.output() },
    unreachable: { exit: unreachableExit, output: unreachable.output() },
    blocked: { exit: blockedExit, output: blocked.output(), started: startedBeforePort },
    status: answer.status,
    url,
    pong,
    firstBegan,
    readyToNobody,
    readyToOthers,
    second: { exit: secondExit, output: second.output() },
    jobsSecrets,
    statusAfterServers,
    pongAfterServers,
    firstOutput: first.output(),
    pongAfterKill,
    againOutput: again.output(),
    beside: { exit: besideExit, output: beside.output() },
    forced: { exit: forcedExit, output: again.output() },
    statusAfterForce,
    edgeBlocked: { exit: edgeBlockedExit, output: edgeBlocked.output() },
    edgeUrl,
    edgePong,
    exit,
    lastOutput: afterForce.output(),
    left,
    leftInKernel: [
      ...links.split("\n").filter((line) => line.startsWith("gar-")),
      ...tables.split("\n").filter((line) => line.includes("getaredis")),
      ...mounts,
    ],
  })}\n`,
);
