import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Redis } from "ioredis";
import { heartbeatUser } from "../../apps/core/fleet/heartbeat-user.ts";
import { hashSecret } from "../../apps/lib/secrets.ts";
import { freePort } from "../process/free-port.ts";
import { keptSecret } from "./kept-secret.ts";
import { endLeftBehind } from "../process/processes.ts";
import { startServerProcess } from "../process/server-process.ts";
import type { ServerProcess } from "../process/server-process.ts";

const STOP_GRACE_MS = 5_000;
const USER = "getaredis";

export interface RedisServer extends ServerProcess {
  /** Admin address: `redis://getaredis:<password>@127.0.0.1:<port>`. */
  url: string;
}

/**
 * Starts a private Redis on a free loopback port with its files in `dir`. Nothing is saved to disk:
 * heartbeats and rate limits are all it holds, and both fill up again by themselves. A server that
 * a killed run left there is stopped first. `port` brings it back where it was; it listens on
 * `addresses` besides loopback.
 */
export async function startRedis({
  dir,
  port,
  addresses = [],
}: {
  dir: string;
  port?: number;
  addresses?: string[];
}): Promise<RedisServer> {
  const root = resolve(dir);
  await mkdir(root, { recursive: true, mode: 0o700 });
  const password = await keptSecret(join(root, "password"));
  const config = join(root, "redis.conf");
  const pidFile = join(root, "redis.pid");
  await endLeftBehind(
    pidFile,
    ([command, ...args]) => command?.includes("redis-server") === true && args.includes(config),
    STOP_GRACE_MS,
  );

  const chosen = port ?? (await freePort());
  // In a file, because arguments can be read by everybody on the machine.
  await writeFile(
    config,
    configuration({ root, port: chosen, addresses: ["127.0.0.1", ...addresses], pidFile, password }),
    { mode: 0o600 },
  );
  const url = `redis://${USER}:${password}@127.0.0.1:${chosen}`;
  const server = await startServerProcess({
    name: "redis-server",
    command: "redis-server",
    args: [config],
    logFile: join(root, "redis.log"),
    probe: () => withRedis(url, (redis) => redis.ping()),
    stopGraceMs: STOP_GRACE_MS,
  });
  return { ...server, url };
}

/**
 * Creates (or gives a new password to) the Redis user that one host's heartbeat logs in as, and
 * returns the password. `redisUrl` needs the right to manage users. The user lives in Redis's
 * memory unless that Redis keeps an ACL file: grant again after Redis lost it.
 */
export async function grantHeartbeat(redisUrl: string, name: string): Promise<string> {
  const { user } = heartbeatUser(name, "");
  return grant(redisUrl, name, user);
}

/**
 * The same for another user that may do as much, `port-map-<name>`: where programs of one host start at different
 * times, each needs a password of its own.
 */
export function grantPortMap(redisUrl: string, name: string): Promise<string> {
  return grant(redisUrl, name, `port-map-${name}`);
}

async function grant(redisUrl: string, name: string, user: string): Promise<string> {
  const password = randomBytes(24).toString("base64url");
  const { rules } = heartbeatUser(name, password);
  await withRedis(redisUrl, (redis) => redis.acl("SETUSER", user, ...rules));
  return password;
}

/** Whether the Redis at an address answers; rejects with the reason when it does not. */
export async function pingRedis(redisUrl: string): Promise<void> {
  await withRedis(redisUrl, (redis) => redis.ping());
}

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: 3_000,
    commandTimeout: 3_000,
  });
  // connect() reports only that the connection was closed; the event before it has the reason.
  const reasons: Error[] = [];
  redis.on("error", (error) => void reasons.push(error));
  try {
    await redis.connect();
    return await use(redis);
  } catch (error) {
    throw reasons[0] ?? error;
  } finally {
    redis.disconnect();
  }
}

function configuration({
  root,
  port,
  addresses,
  pidFile,
  password,
}: {
  root: string;
  port: number;
  addresses: string[];
  pidFile: string;
  password: string;
}): string {
  const settings: [string, string][] = [
    ["bind", addresses.join(" ")],
    ["port", String(port)],
    // Nobody gets in without a name, so a connection by the name of "default" has not logged in.
    ["user", "default off"],
    ["user", `${USER} on #${hashSecret(password).toString("hex")} ~* &* +@all`],
    ["dir", JSON.stringify(root)],
    ["pidfile", JSON.stringify(pidFile)],
    // Keeps the arguments as given: by them the server is recognised as ours.
    ["set-proc-title", "no"],
    ["save", '""'],
    ["appendonly", "no"],
    ["maxmemory", "192mb"],
    // A host may write its own key, but not so much that other hosts' keys are evicted for it.
    ["proto-max-bulk-len", "1mb"],
    ["client-query-buffer-limit", "1mb"],
    // A client that is too large for this goes, the largest first. A heartbeat's has less than 64 KB, so all
    // that may be connected would have to be larger before one of those went.
    ["maxclients", "1000"],
    ["maxmemory-clients", "64mb"],
    ["maxmemory-policy", "volatile-ttl"],
    ["always-show-logo", "no"],
  ];
  return settings.map((setting) => `${setting.join(" ")}\n`).join("");
}
