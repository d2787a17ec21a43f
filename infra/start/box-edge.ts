import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { createRedisMembership } from "../../apps/adapters/redis/gateways.ts";
import { plainPath } from "../../apps/core/settings/kinds.ts";
import type { Settings } from "../../apps/core/settings/settings.ts";
import { messageOf } from "../../apps/lib/errors.ts";
import { ensureEdgeCertificate } from "../pki/edge-certificate.ts";
import type { KeptProgram } from "../process/kept-program.ts";
import { endLeftBehind } from "../process/processes.ts";

/** The gateway of a single box. */
export interface BoxEdge {
  domain: string;
  /** Address that it listens on, and its port. */
  host: string;
  port: number;
  certificateDir: string;
  /** Its authority's certificate, when that is our own: clients must be given it. */
  caFile: string | undefined;
  dir: string;
}

/** Name of the one gateway in single-box mode. */
const GATEWAY_NAME = "box";
const STOP_MS = 5_000;
const READY_MS = 30_000;
const POLL_MS = 100;

/**
 * Prepares the gateway of a single box: its folder, and a certificate, one of our own when none is configured.
 * Undefined without EDGE_DOMAIN. A HAProxy that a killed run has left is ended in any case.
 * @throws when a path is none that HAProxy's configuration can hold
 */
export async function prepareEdge(
  { edge }: Settings,
  env: NodeJS.ProcessEnv,
  { stateDir, listenAddress, now }: { stateDir: string; listenAddress: string; now: Date },
): Promise<BoxEdge | undefined> {
  const dir = env["GATEWAY_DIR"] ? edge.runDir : join(stateDir, "gateway");
  await endLeftBehind(
    join(dir, "haproxy.pid"),
    ([command, ...args]) => command?.includes("haproxy") === true && args.includes(join(dir, "haproxy.cfg")),
    STOP_MS,
  );
  if (edge.domain === undefined) return undefined;
  try {
    plainPath.parse(dir);
  } catch (fault) {
    throw new Error(`the gateway's folder ${dir} ${messageOf(fault)}: set GATEWAY_DIR to another`, { cause: fault });
  }
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const own = join(stateDir, "edge-certificate");
  const caFile = edge.certificateDir === undefined ? await ensureEdgeCertificate(own, edge.domain, now) : undefined;
  return {
    domain: edge.domain,
    host: env["EDGE_HOST"] ? edge.host : listenAddress,
    port: edge.port,
    certificateDir: edge.certificateDir ?? own,
    caFile,
    dir,
  };
}

/** The environment of the gateway. It gets no secret of the service: it looks into no connection but its first words. */
export function gatewaySettings(
  { domain, host, port, certificateDir, dir }: BoxEdge,
  { mysqlUrl, redisUrl }: { mysqlUrl: string; redisUrl: string },
): NodeJS.ProcessEnv {
  return {
    ...process.env,
    MYSQL_URL: mysqlUrl,
    REDIS_URL: redisUrl,
    EDGE_DOMAIN: domain,
    EDGE_HOST: host,
    EDGE_PORT: String(port),
    EDGE_CERT_DIR: certificateDir,
    GATEWAY_DIR: dir,
    GATEWAY_NAME,
    OPS_TOKEN: undefined,
    SERVER_SECRET: undefined,
  };
}

/**
 * Waits until the gateway carries.
 * @throws when it ends before that or does not within half a minute, or `ending`'s reason when that aborts
 */
export async function untilGatewayCarries(redisUrl: string, program: KeptProgram, ending: AbortSignal): Promise<void> {
  const redis = new Redis(redisUrl, { lazyConnect: true });
  redis.on("error", () => undefined);
  const { list } = createRedisMembership(redis);
  const deadline = performance.now() + READY_MS;
  try {
    await redis.connect();
    while (!(await list()).some(({ name, state }) => name === GATEWAY_NAME && state === "live")) {
      ending.throwIfAborted();
      if (program.failures() > 0) throw new Error(`the gateway does not stay up; its log: ${program.logFile}`);
      if (performance.now() > deadline) throw new Error(`the gateway carries nothing; its log: ${program.logFile}`);
      await sleep(POLL_MS);
    }
  } finally {
    redis.disconnect();
  }
}
