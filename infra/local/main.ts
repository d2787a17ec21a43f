import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { registerHost } from "../../apps/core/actions/register-host.ts";
import { createMysqlStore } from "../../apps/core/adapters/mysql-store/index.ts";
import { migrate } from "../../apps/core/adapters/mysql-store/migrations.ts";
import { loadConfig } from "../../apps/core/config.ts";
import type { Config } from "../../apps/core/config.ts";
import { boxAddresses, checkPort, engineElsewhere } from "./addresses.ts";
import { asRoot } from "./as-root.ts";
import { clearEngine, dockerClient, findEngine, pingEngine, startDockerEngine } from "./docker-engine.ts";
import { endLeftovers, keepRunning } from "./kept-running.ts";
import type { KeptRunning, Places } from "./kept-running.ts";
import { keepServer } from "./kept-server.ts";
import type { KeptServer } from "./kept-server.ts";
import { keptSecret } from "./kept-secret.ts";
import { pingMysql, startMariadb } from "./mariadb.ts";
import { becomeOnlyEngineOwner, becomeOnlyRun } from "./only-run.ts";
import { takeEnvFile } from "./env-file.ts";
import { step } from "./progress.ts";
import { grantHeartbeat, pingRedis, startRedis } from "./redis.ts";
import { ensureRedisImage, isLocalImage } from "./redis-image.ts";
import { ensureSystemPackages, withSystemFolders } from "./system-packages.ts";
import type { SystemCommand } from "./system-packages.ts";
import { createUndoList } from "./undo-list.ts";

const run = promisify(execFile);
const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const SCRIPT_GRACE_MS = 2_000;
/** Name of this machine among the hosts; in single-box mode there is no other. */
const HOST_NAME = "box";

/** Thrown when the user ends a start half-way; everything is undone as after any other end. */
class Interrupted extends Error {}

const undo = createUndoList();
const ending = new AbortController();
const isEnding = () => ending.signal.aborted;
/** What a second Ctrl-C kills. */
const started = { servers: new Set<KeptServer>(), programs: new Set<KeptRunning>() };

process.env.PATH = withSystemFolders(process.env.PATH);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);

let failure: unknown;
try {
  await start();
  if (!isEnding()) await new Promise((resolve) => ending.signal.addEventListener("abort", resolve));
} catch (error) {
  if (!(error instanceof Interrupted)) failure = error;
}
if (failure !== undefined) console.error(`\n${messageOf(failure)}`);
try {
  await undo.undoAll();
} catch (error) {
  if (failure === undefined) console.error(`\nstopping went wrong: ${messageOf(error)}`);
  failure ??= error;
}
if (failure === undefined) console.log("stopped");
process.exit(failure === undefined ? 0 : 1);

/** Brings up everything of single-box mode, each thing with its way back on the undo list. */
async function start(): Promise<void> {
  for (const warning of await takeEnvFile(join(PROJECT, ".env"))) console.log(`! ${warning}`);
  const config = loadConfig(process.env);
  const stateDir = resolve(PROJECT, config.STATE_DIR);
  const places: Places = { logsDir: join(stateDir, "logs"), pidsDir: join(stateDir, "pids") };
  await mkdir(stateDir, { recursive: true, mode: 0o711 });
  await becomeOnlyRun(stateDir);
  const left = await endLeftovers(places, config.SHUTDOWN_SECONDS * 1000);
  if (left.length > 0) console.log(`✓ ended what an earlier run left: ${left.join(", ")}`);
  const port = await checkPort(config.HOST, config.PORT);

  const foundEngine = await findEngine({ DOCKER_HOST: config.DOCKER_HOST });
  await checkConfigured(config);
  await inOrder("system packages", async (note) => {
    const installed = await ensureSystemPackages(neededCommands(config, foundEngine));
    if (installed.length > 0) note(`installed ${installed.join(", ")}`);
  });
  if (config.DOCKER_HOST === "" && foundEngine !== undefined) console.log(`✓ Docker Engine at ${foundEngine}: yours, used as it is`);
  const mysqlUrl = await haveMysql(config, stateDir);
  const redisUrl = await haveRedis(config, stateDir);
  // Before the first container can run, and taken away after the last one is gone.
  const keepsFirewall = foundEngine !== undefined;
  if (engineElsewhere(foundEngine ?? "unix:") === undefined) {
    await inOrder("firewall: instances answer, and never call", async () => {
      await firewall("up");
      if (!keepsFirewall) undo.add(() => firewall("down"));
    });
  } else {
    console.log(`! DOCKER_HOST is another machine: run infra/host/firewall.sh up and infra/host/expire.sh there`);
  }
  const engineUrl = await haveEngine(foundEngine, stateDir);
  const image = await inOrder("Redis image", async (note) => {
    const reference = await ensureRedisImage(dockerClient(engineUrl, READY_TIMEOUT_MS), config.INSTANCE_IMAGE || undefined);
    note(reference);
    return reference;
  });
  const addresses = await boxAddresses({ host: config.HOST, publicHost: config.PUBLIC_HOST, engineUrl });
  await inOrder("database schema", async (note) => {
    const done = await migrate(mysqlUrl);
    note(done.length === 0 ? "up to date" : `${done.length} ${done.length === 1 ? "migration" : "migrations"}`);
    await register(mysqlUrl, config, { engineUrl, ...addresses });
  });

  const [opsToken, serverSecret] = await Promise.all([
    config.OPS_TOKEN || keptSecret(join(stateDir, "ops-token")),
    config.SERVER_SECRET || keptSecret(join(stateDir, "server-secret")),
  ]);
  const programEnv = {
    ...process.env,
    PORT: String(port),
    MYSQL_URL: mysqlUrl,
    REDIS_URL: redisUrl,
    DOCKER_HOST: engineUrl,
    OPS_TOKEN: opsToken,
    SERVER_SECRET: serverSecret,
    INSTANCE_IMAGE: image,
  };
  const keep = async (name: string, command: string, args: string[], stopGraceMs: number, env: () => Promise<NodeJS.ProcessEnv> | NodeJS.ProcessEnv) => {
    const program = await keepRunning({ name, command, args, env, stopGraceMs }, places, (text) => console.log(`! ${text}`));
    started.programs.add(program);
    undo.add(program.stop);
    return program;
  };
  const scriptEnv = { PATH: process.env.PATH, DOCKER_HOST: engineUrl };
  const graceMs = config.SHUTDOWN_SECONDS * 1000 + 5_000;
  const url = `http://${inUrl(addresses.publicHost)}:${port}`;

  await inOrder("heartbeat, expiry, jobs, API", async () => {
    await keep("heartbeat", "bash", [projectPath("infra/host/heartbeat.sh")], SCRIPT_GRACE_MS, async () => ({
      ...scriptEnv,
      ...heartbeatSettings(redisUrl, config),
      PUBLIC_IP: addresses.publicIp,
      // Anew at each start: a Redis that was restarted has forgotten its users.
      HEARTBEAT_REDIS_PASSWORD: await grantHeartbeat(redisUrl, HOST_NAME),
    }));
    await keep("expire", "bash", [projectPath("infra/host/expire.sh")], SCRIPT_GRACE_MS, () => scriptEnv);
    await keep("jobs", process.execPath, [projectPath("apps/jobs/main.ts")], graceMs, () => programEnv);
    const api = await keep("api", process.execPath, [projectPath("apps/api/main.ts")], graceMs, () => programEnv);
    await untilReady(`http://${inUrl(listenedOn(config.HOST))}:${port}/readyz`, api);
  });

  console.log(`
Get a Redis is ready.
  page    ${url}/
  curl    curl -X POST ${url}/instances
  ops     curl -H 'Authorization: Bearer ${opsToken}' ${url}/ops/api/hosts
  logs    ${shortened(places.logsDir)}/
Ctrl-C stops everything.`);
  if (addresses.bindAddress === "0.0.0.0") console.log("! page, instances and operator's calls are open to the network, and not encrypted");
}

/** A step of the start; none is begun after the user has ended it. */
async function inOrder<T>(name: string, work: Parameters<typeof step<T>>[1]): Promise<T> {
  if (isEnding()) throw new Interrupted();
  const result = await step(name, work);
  if (isEnding()) throw new Interrupted();
  return result;
}

function onSignal(): void {
  if (!isEnding()) {
    ending.abort();
    console.log("\nstopping; again to force");
    return;
  }
  console.log("\nforced: all is killed; what is left, the next start clears up");
  const killed = [...started.programs, ...started.servers].map(({ kill }) => kill());
  void Promise.allSettled(killed).then(() => process.exit(1));
}

function neededCommands(config: Config, foundEngine: string | undefined): SystemCommand[] {
  return [
    "bash",
    "docker",
    ...(config.MYSQL_URL === "" ? (["mariadbd", "mariadb-install-db"] as const) : []),
    ...(config.REDIS_URL === "" || isLocalImage(config.INSTANCE_IMAGE) ? (["redis-server"] as const) : []),
    ...(foundEngine === undefined ? (["dockerd", "iptables"] as const) : []),
    ...(engineElsewhere(foundEngine ?? "unix:") === undefined ? (["nft"] as const) : []),
  ];
}

/** Asks the servers that the settings name, before anything of our own is started. */
async function checkConfigured({ MYSQL_URL, REDIS_URL, DOCKER_HOST }: Config): Promise<void> {
  const asked: [setting: string, url: string, ask: (url: string) => Promise<void>, instead: string][] = [
    ["MYSQL_URL", MYSQL_URL, pingMysql, "a private MariaDB"],
    ["REDIS_URL", REDIS_URL, pingRedis, "a private Redis"],
    ["DOCKER_HOST", DOCKER_HOST, pingEngine, "the default socket's engine or a private one"],
  ];
  for (const [setting, url, ask, instead] of asked) {
    if (url === "") continue;
    await inOrder(`server of ${setting}`, () => ask(url).catch((cause: unknown) => {
      throw new Error(`${setting} leads to a server that does not answer (${messageOf(cause)}): start it, mend the setting, or leave it out for ${instead}`, { cause });
    }));
  }
}

async function haveMysql(config: Config, stateDir: string): Promise<string> {
  if (config.MYSQL_URL !== "") return config.MYSQL_URL;
  return inOrder("private MariaDB", () => ours("MariaDB", (url) => startMariadb({ dir: join(stateDir, "mariadb"), ...portOf(url) })));
}

async function haveRedis(config: Config, stateDir: string): Promise<string> {
  if (config.REDIS_URL !== "") return config.REDIS_URL;
  return inOrder("private Redis", () => ours("Redis", (url) => startRedis({ dir: join(stateDir, "redis"), ...portOf(url) })));
}

async function haveEngine(found: string | undefined, stateDir: string): Promise<string> {
  if (found !== undefined) return found;
  return inOrder("private Docker Engine", async () => {
    await becomeOnlyEngineOwner();
    const url = await ours("the Docker Engine", () => startDockerEngine({ dir: join(stateDir, "docker") }));
    undo.add(() => clearEngine(url));
    return url;
  });
}

/** Starts a server of ours, keeps it running and notes it, to stop it in the end; returns its address. */
async function ours(name: string, start: Parameters<typeof keepServer>[1]): Promise<string> {
  const server = await keepServer(name, start, (text) => console.log(`! ${text}`));
  started.servers.add(server);
  undo.add(server.stop);
  return server.url;
}

function portOf(url: string | undefined): { port?: number } {
  return url === undefined ? {} : { port: Number(new URL(url).port) };
}

async function register(mysqlUrl: string, config: Config, box: { engineUrl: string; publicHost: string; checkHost: string; bindAddress: string }): Promise<void> {
  const store = createMysqlStore(mysqlUrl);
  try {
    await registerHost(
      { store, clock: () => new Date() },
      {
        name: HOST_NAME,
        engineUrl: box.engineUrl,
        publicHost: box.publicHost,
        checkHost: box.checkHost,
        bindAddress: box.bindAddress,
        capacity: config.HOST_CAPACITY,
        basePort: config.HOST_BASE_PORT,
      },
    );
  } finally {
    await store.disconnect();
  }
}

function heartbeatSettings(redisUrl: string, config: Config): NodeJS.ProcessEnv {
  const { hostname, port } = new URL(redisUrl);
  return {
    HOST_NAME,
    HEARTBEAT_REDIS_HOST: hostname,
    HEARTBEAT_REDIS_PORT: port || "6379",
    HEARTBEAT_SECONDS: String(config.HEARTBEAT_SECONDS),
    HEARTBEAT_TTL_SECONDS: String(config.HEARTBEAT_TTL_SECONDS),
  };
}

async function firewall(direction: "up" | "down"): Promise<void> {
  const [command, args] = await asRoot("sh", [projectPath("infra/host/firewall.sh"), direction]);
  await run(command, args);
}

/** Waits for the API to say that it can hand out; a program that does not even stay up is not waited for. */
async function untilReady(readyUrl: string, api: KeptRunning): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  let lastAnswer = "no answer";
  while (performance.now() < deadline) {
    if (isEnding()) throw new Interrupted();
    if (api.failures() > 0) throw new Error(`the API does not stay up; its log: ${api.logFile}`);
    try {
      const response = await fetch(readyUrl, { signal: AbortSignal.timeout(5_000) });
      if (response.ok) return;
      lastAnswer = await response.text();
    } catch {
      // Not listening yet.
    }
    await sleep(50);
  }
  throw new Error(`the API did not become ready (${lastAnswer}); its log: ${api.logFile}`);
}

function listenedOn(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
}

function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function shortened(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}

function projectPath(path: string): string {
  return join(PROJECT, path);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Connections that tried several addresses say nothing themselves.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join(", ");
  return error.message;
}
