import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { registerHost } from "../../apps/core/fleet/register-host.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import type { Store } from "../../apps/core/store.ts";
import { createUndoList } from "../../apps/lib/lifecycle.ts";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { freePort } from "../../infra/process/free-port.ts";
import { startEngineHost, type EngineHost } from "./engine-host.ts";
import { compileCache } from "./compile-cache.ts";
import { startServices, type Services } from "./services.ts";

/** The whole product on real parts: databases, engine hosts with heartbeats, API and jobs as processes. */
export interface Service {
  origin: string;
  opsToken: string;
  services: Services;
  hosts: EngineHost[];
  store: Store;
  /** Everything that the API or the jobs have written so far, one JSON object a line. */
  log: () => string;
  /** The environment of both processes, to start another replica with. */
  env: Record<string, string>;
  /** Ends the process that runs the jobs with a signal and waits until it is gone. */
  endJobs: (signal: NodeJS.Signals) => Promise<void>;
  startJobs: () => void;
  /** Ends the API with a signal and waits until it is gone. */
  endApi: (signal: NodeJS.Signals) => Promise<void>;
  startApi: () => Promise<void>;
  /** Another API process on a port of its own. */
  startReplica: () => Promise<{ origin: string; stop: () => Promise<void> }>;
  /** A gateway of the edge, with these settings besides; it carries once it is a member. */
  startGateway: (env: Record<string, string>) => { end: (signal: NodeJS.Signals) => Promise<void>; pid: number };
  startHeartbeats: () => Promise<void>;
  stopHeartbeats: () => Promise<void>;
  stop: () => Promise<void>;
}

export interface ServiceOptions {
  /** Names of the engine hosts; one when not given. */
  hostNames?: string[];
  /** Slots of each host. */
  capacity?: number;
  basePort?: number;
  env?: Record<string, string>;
  /** Whether the API runs at once; else `startApi` starts it. */
  api?: boolean;
  /** Whether the jobs process runs; it ticks each second then. */
  jobs?: boolean;
  /** Where the API and the jobs find a host's engine, when not at the engine itself. */
  engineUrl?: (host: EngineHost) => Promise<{ url: string; stop: () => Promise<void> }>;
}

/** Longer than the time that the programs give running requests and jobs. */
const STOP_MS = 60_000;

const apiMain = fileURLToPath(new URL("../../apps/api/main.ts", import.meta.url));
const gatewayMain = fileURLToPath(new URL("../../apps/gateway/main.ts", import.meta.url));
const jobsMain = fileURLToPath(new URL("../../apps/jobs/main.ts", import.meta.url));

/** Starts it all and resolves when the API is ready. The caller stops it, also when a test fails. */
export async function startService({
  hostNames = ["host-a"],
  capacity = 8,
  basePort = 20_000,
  env = {},
  api: isApiStarted = true,
  jobs = true,
  engineUrl,
}: ServiceOptions = {}): Promise<Service> {
  const undo = createUndoList();
  try {
    const services = await startServices();
    undo.add("services", services.stop, { withinMs: STOP_MS });
    const { mysqlUrl } = services;
    await migrate(mysqlUrl);
    const store = createMysqlStore(mysqlUrl);
    undo.add("store", store.disconnect, { withinMs: STOP_MS });

    const hosts = await Promise.all(hostNames.map((name) => startEngineHost({ name })));
    for (const host of hosts) undo.add(host.name, host.stop, { withinMs: STOP_MS });
    for (const host of hosts) {
      const { name, url, address } = host;
      const way = await engineUrl?.(host);
      if (way) undo.add("way to the engine", way.stop, { withinMs: STOP_MS });
      const place = {
        name,
        engineUrl: way?.url ?? url,
        publicHost: address,
        checkHost: address,
        bindAddress: "0.0.0.0",
        capacity,
        basePort,
      };
      await registerHost({ store, clock: () => new Date() }, place);
    }
    const [first] = hosts;
    if (!first) throw new Error("a service needs a host");

    let heartbeats: { stop: () => Promise<void> }[] = [];
    const startHeartbeats = async () => {
      heartbeats = await Promise.all(
        hosts.map((host) =>
          host.startHeartbeat({
            redisUrl: services.redisUrl,
            env: { HEARTBEAT_SECONDS: "1", HEARTBEAT_TTL_SECONDS: "3" },
          }),
        ),
      );
    };
    const stopHeartbeats = async () => {
      await Promise.all(heartbeats.map((heartbeat) => heartbeat.stop()));
      heartbeats = [];
    };
    await startHeartbeats();
    undo.add("heartbeats", stopHeartbeats, { withinMs: STOP_MS });

    const port = await freePort();
    const opsToken = randomBytes(16).toString("hex");
    const everySecond = "* * * * * *";
    const processEnv: Record<string, string> = {
      PATH: process.env["PATH"] ?? "",
      ...compileCache(),
      MYSQL_URL: mysqlUrl,
      REDIS_URL: services.redisUrl,
      OPS_TOKEN: opsToken,
      SERVER_SECRET: randomBytes(16).toString("hex"),
      INSTANCE_IMAGE: first.image,
      PORT: String(port),
      FLEET_REFRESH_MS: "200",
      RATE_LIMIT_PER_MINUTE: "100000",
      HANDOUT_RATE_LIMIT_PER_MINUTE: "100000",
      QUOTA_PER_NETWORK: "10000",
      STARTS_PER_ADDRESS_PER_DAY: "100000",
      STARTS_PER_NETWORK_PER_DAY: "100000",
      HANDOUTS_PER_MINUTE: "100000",
      NEWCOMER_PERCENT: "0",
      PROOF_OF_WORK_MAX_BITS: "0",
      // Tests count containers: those that look at the pool switch it on.
      WARM_POOL_MAX: "0",
      REAP_CRON: everySecond,
      RECONCILE_CRON: everySecond,
      TRANSFER_CRON: everySecond,
      ...env,
    };
    const output: string[] = [];
    let api: ChildProcess | undefined;
    const startApi = async () => {
      api = startNode(apiMain, processEnv, output);
      await untilReady(`http://127.0.0.1:${port}`, api, output);
    };
    if (isApiStarted) await startApi();
    undo.add("API", () => end(api, "SIGTERM"), { withinMs: STOP_MS });
    let jobsProcess: ChildProcess | undefined;
    const startJobs = () => (jobsProcess = startNode(jobsMain, processEnv, output));
    if (jobs) startJobs();
    undo.add("jobs", () => end(jobsProcess, "SIGTERM"), { withinMs: STOP_MS });
    return {
      origin: `http://127.0.0.1:${port}`,
      opsToken,
      services,
      hosts,
      store,
      log: () => output.join(""),
      env: processEnv,
      endJobs: (signal) => end(jobsProcess, signal),
      startJobs: () => void startJobs(),
      endApi: (signal) => end(api, signal),
      startApi,
      startReplica: async () => {
        const replicaPort = await freePort();
        const replica = startNode(apiMain, { ...processEnv, PORT: String(replicaPort) }, output);
        undo.add("replica", () => end(replica, "SIGTERM"), { withinMs: STOP_MS });
        await untilReady(`http://127.0.0.1:${replicaPort}`, replica, output);
        return { origin: `http://127.0.0.1:${replicaPort}`, stop: () => end(replica, "SIGTERM") };
      },
      startGateway: (more) => {
        const gateway = startNode(gatewayMain, { ...processEnv, ...more }, output);
        undo.add("gateway", () => end(gateway, "SIGTERM"), { withinMs: STOP_MS });
        if (gateway.pid === undefined) throw new Error("the gateway does not start");
        return { end: (signal) => end(gateway, signal), pid: gateway.pid };
      },
      startHeartbeats,
      stopHeartbeats,
      stop: undo.undoAll,
    };
  } catch (cause) {
    await undo.undoAll().catch(() => undefined);
    throw cause;
  }
}

/** A program that is told to stop also when the test's process has been killed. */
function startNode(file: string, env: Record<string, string>, output: string[]): ChildProcess {
  const child = spawn("setpriv", ["--pdeathsig", "TERM", process.execPath, file], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => output.push(chunk.toString()));
  return child;
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  // Not "exit": its last lines may not have been read by then.
  const closed = once(child, "close");
  child.kill(signal);
  await closed;
}

async function untilReady(origin: string, child: ChildProcess, output: readonly string[]): Promise<void> {
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the API ended while it started:\n${output.join("")}`);
    const answer = await fetch(`${origin}/readyz`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await delay(50);
  }
}
