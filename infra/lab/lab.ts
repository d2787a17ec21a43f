import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createConnection } from "mysql2/promise";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { createUndoList } from "../../apps/lib/lifecycle.ts";
import { freePort } from "../process/free-port.ts";
import { keepProgram, untilReady, type KeptProgram } from "../process/kept-program.ts";
import { startMariadb } from "../servers/mariadb.ts";
import { nodeFlags } from "../process/node-flags.ts";
import { projectPath } from "../process/project-path.ts";
import { startRedis } from "../servers/redis.ts";
import { writeImageArchive } from "../servers/redis-image.ts";
import { ensurePki } from "../pki/ensure-pki.ts";
import { startDigitalOcean, type LabCloud } from "./digitalocean/index.ts";
import { LAB_DOMAIN, labGateways, prepareEdge, type LabEdge, type LabGateway } from "./edge.ts";
import { openMachineRoom, type MachineRoom } from "./machines/room.ts";

const STOP_GRACE_MS = 10_000;
/** Longer than any part takes, SIGKILL at the end of its grace included. */
const STOP_MS = 60_000;

/** A program of the control plane. */
export type ProgramName = "api" | "jobs" | "enrolment";

/** A whole fleet on this machine: the real control plane, a stand-in for the cloud, droplets of namespaces. */
export interface Lab {
  /** Where the API is, http://… */
  origin: string;
  opsToken: string;
  mysqlUrl: string;
  redisUrl: string;
  cloud: LabCloud;
  room: MachineRoom;
  /** Address of the control plane as droplets see it. */
  controlAddress: string;
  /** The environment of the control plane's programs. */
  env: NodeJS.ProcessEnv;
  logsDir: string;
  programs: Record<ProgramName, KeptProgram>;
  /** What leads to instances, and the gateways that there are now; undefined without an edge. */
  edge: (LabEdge & { gateways: () => readonly LabGateway[] }) | undefined;
  /** Starts a program once more, as another replica or after it was killed; `env` overrides. */
  start: (program: ProgramName, name?: string, env?: NodeJS.ProcessEnv) => Promise<KeptProgram>;
  /** SIGKILL to the private Redis, which loses everything; then it starts again at the same address. */
  restartRedis: () => Promise<void>;
  stop: () => Promise<void>;
  /** SIGKILL to servers and programs, without waiting. Machines end with this process. */
  kill: () => Promise<void>;
}

export interface LabSetup {
  /** Folder for everything that the lab keeps. */
  dir: string;
  /** Settings of the control plane, over those that make a life fast. */
  env?: NodeJS.ProcessEnv;
  /** Port of the API; 0 picks a free one. */
  port?: number;
  /** Gateways that the fleet keeps before it; without any, instances are reached at their hosts. */
  gateways?: number;
  /** Settings of the stand-in for the cloud. */
  cloud?: Pick<Parameters<typeof startDigitalOcean>[0], "account" | "times" | "limits" | "port">;
  /** Called with faults that the lab survives, and with programs that end. */
  say?: (text: string) => void;
}

/** Periods of seconds instead of minutes: a fleet's life in a minute. */
const fastLife = {
  REAP_CRON: "* * * * * *",
  RECONCILE_CRON: "*/2 * * * * *",
  SCALE_CRON: "* * * * * *",
  ADMIT_CRON: "* * * * * *",
  HEARTBEAT_SECONDS: "1",
  HEARTBEAT_TTL_SECONDS: "3",
  FLEET_REFRESH_MS: "200",
  HOST_CAPACITY: "3",
  DROPLET_CAP: "4",
  SURPLUS_SECONDS: "2",
  BOOT_TIMEOUT_SECONDS: "60",
  ORDER_SETTLE_SECONDS: "4",
  ORDER_BACKOFF_SECONDS: "1",
  ORPHAN_AGE_SECONDS: "10",
  SILENT_REPLACE_SECONDS: "4",
  SILENT_GRACE_SECONDS: "8",
  LEASE_MIN_SECONDS: "1",
  QUOTA_PER_ADDRESS: "100",
  STARTS_PER_ADDRESS_PER_DAY: "1000000",
  STARTS_PER_NETWORK_PER_DAY: "1000000",
  HANDOUTS_PER_MINUTE: "1000000",
  NEWCOMER_PERCENT: "0",
  PROOF_OF_WORK_MAX_BITS: "0",
  RATE_LIMIT_PER_MINUTE: "100000",
  HANDOUT_RATE_LIMIT_PER_MINUTE: "100000",
} satisfies NodeJS.ProcessEnv;

/**
 * Starts a lab and resolves when its API answers; the first host comes by itself after that. Needs root.
 * What a killed run left is cleared by the next one.
 */
export async function startLab({
  dir,
  env: overrides = {},
  port = 0,
  gateways: gatewayCount = 0,
  cloud: cloudSettings = {},
  say = () => undefined,
}: LabSetup): Promise<Lab> {
  const undo = createUndoList();
  const places = { logsDir: join(dir, "logs"), pidsDir: join(dir, "pids") };
  await mkdir(dir, { recursive: true, mode: 0o711 });
  try {
    const room = await openMachineRoom((fault) => say(`a machine failed: ${String(fault)}`));
    undo.add("machines", room.stop, { withinMs: STOP_MS });
    const token = `dop_v1_${randomBytes(32).toString("hex")}`;
    const cloud = await startDigitalOcean({
      token,
      machines: room,
      domains: [LAB_DOMAIN],
      onFault: (fault) => say(`the cloud failed: ${String(fault)}`),
      ...cloudSettings,
    });
    undo.add("cloud", cloud.stop, { withinMs: STOP_MS });
    const mysql = await startMariadb({ dir: join(dir, "mariadb") });
    undo.add("MariaDB", mysql.stop, { withinMs: STOP_MS, kill: mysql.kill });
    const redisPlace = { dir: join(dir, "redis"), addresses: [room.controlAddress] };
    let redis = await startRedis(redisPlace);
    undo.add("Redis", () => redis.stop(), { withinMs: STOP_MS, kill: () => redis.kill() });
    const pkiDir = join(dir, "pki");
    await ensurePki(pkiDir, { enrolmentNames: [room.controlAddress], now: new Date() });
    const archive = join(dir, "redis-image.tar");
    const image = await writeImageArchive(archive);
    await emptyDatabase(mysql.url);
    await migrate(mysql.url);

    const edge = gatewayCount === 0 ? undefined : await prepareEdge(dir, gatewayCount, cloud);
    const opsToken = randomBytes(24).toString("base64url");
    const [apiPort, enrolmentPort] = [port === 0 ? await freePort() : port, await freePort()];
    const redisPort = new URL(redis.url).port;
    const env: NodeJS.ProcessEnv = {
      PATH: process.env.PATH,
      MYSQL_URL: mysql.url,
      REDIS_URL: redis.url,
      HEARTBEAT_REDIS: `${room.controlAddress}:${redisPort}`,
      OPS_TOKEN: opsToken,
      SERVER_SECRET: randomBytes(24).toString("base64url"),
      INSTANCE_IMAGE: image,
      INSTANCE_IMAGE_ARCHIVE: archive,
      DIGITALOCEAN_TOKEN: token,
      DIGITALOCEAN_URL: cloud.url,
      PRIVATE_NETWORK: room.network,
      PKI_DIR: pkiDir,
      HOST_FILES_DIR: projectPath("infra/host"),
      ENROLMENT_HOST: room.controlAddress,
      ENROLMENT_PORT: String(enrolmentPort),
      PORT: String(apiPort),
      ...fastLife,
      ...edge?.env,
      ...overrides,
    };
    const origin = `http://127.0.0.1:${apiPort}`;
    const start: Lab["start"] = async (program, name = program, more = {}) => {
      const running = await keepProgram(
        {
          name,
          command: process.execPath,
          args: [...nodeFlags, projectPath(`apps/${program}/main.ts`)],
          env: () => ({ ...env, ...more }),
          stopGraceMs: STOP_GRACE_MS,
        },
        places,
        say,
      );
      undo.add(name, running.stop, { withinMs: STOP_MS, kill: running.kill });
      return running;
    };
    const programs = { enrolment: await start("enrolment"), jobs: await start("jobs"), api: await start("api") };
    await untilReady(`${origin}/healthz`, programs.api);
    return {
      origin,
      opsToken,
      mysqlUrl: mysql.url,
      redisUrl: redis.url,
      cloud,
      room,
      controlAddress: room.controlAddress,
      env,
      logsDir: places.logsDir,
      programs,
      edge: edge && { ...edge, gateways: () => labGateways(cloud, room) },
      start,
      restartRedis: async () => {
        await redis.kill();
        redis = await startRedis({ ...redisPlace, port: Number(redisPort) });
      },
      stop: undo.undoAll,
      kill: undo.killAll,
    };
  } catch (cause) {
    await undo.undoAll().catch(() => undefined);
    throw cause;
  }
}

/** The droplets of an earlier lab ended with it, so its rows would name droplets that do not exist. */
async function emptyDatabase(mysqlUrl: string): Promise<void> {
  const connection = await createConnection({ uri: mysqlUrl });
  const name = new URL(mysqlUrl).pathname.slice(1);
  try {
    await connection.query(`DROP DATABASE \`${name}\``);
    await connection.query(`CREATE DATABASE \`${name}\``);
  } finally {
    await connection.end();
  }
}
