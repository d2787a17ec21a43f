import { Redis } from "ioredis";
import { readHeartbeat, type HeartbeatReading } from "../../core/fleet/host.ts";
import { Unavailable } from "../../lib/unavailable.ts";

const COMMAND_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
const MAX_RECONNECT_MS = 2_000;
/** What PTTL answers for a key that does not exist, and for one that never expires. */
const NO_KEY = -2;
const NO_END = -1;
/** In between, requests are answered. */
const NAMES_AT_ONCE = 500;

/**
 * A client that fails at once while Redis is away, reconnects for ever, and is not pushed out by others.
 * @param onFault called with connection errors; each would otherwise end the process
 */
export function openRedis(redisUrl: string, onFault: (fault: Error) => void): Redis {
  const redis = new Redis(redisUrl, {
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 100, MAX_RECONNECT_MS),
  });
  redis.on("error", onFault);
  // When Redis has more clients than memory for them, others go first. One that does not allow it, or is too old
  // to know it, is used all the same.
  redis.on("ready", () => void redis.call("CLIENT", "NO-EVICT", "ON").catch(() => undefined));
  return redis;
}

/** Reads which hosts are alive, from the keys that heartbeats write. */
export function createRedisDiscovery(redis: Redis) {
  /**
   * The heartbeat of each of these hosts; a host whose key does not exist now is absent from the map.
   * @throws Unavailable when Redis does not answer: which hosts are alive is unknown then, and none counts as
   *   silent
   */
  async function readHeartbeats(hostNames: readonly string[]): Promise<Map<string, HeartbeatReading>> {
    const heartbeats = new Map<string, HeartbeatReading>();
    for (let from = 0; from < hostNames.length; from += NAMES_AT_ONCE)
      await readSome(hostNames.slice(from, from + NAMES_AT_ONCE), heartbeats);
    return heartbeats;
  }

  async function readSome(hostNames: readonly string[], heartbeats: Map<string, HeartbeatReading>): Promise<void> {
    const keys = hostNames.map((name) => `host:${name}`);
    let values: (string | null)[];
    let lives: number[];
    try {
      [values, ...lives] = await answersOf<[(string | null)[], ...number[]]>([
        ["mget", ...keys],
        ...keys.map((key) => ["pttl", key]),
      ]);
    } catch (fault) {
      throw new Unavailable("redis", fault);
    }
    for (const [index, name] of hostNames.entries()) {
      const value = values[index];
      const lifeMs = lives[index] ?? NO_KEY;
      if (typeof value !== "string" || lifeMs === NO_KEY) continue;
      heartbeats.set(name, readHeartbeat(name, value, lifeMs === NO_END ? null : lifeMs));
    }
  }

  /** All answers of commands sent together. @throws the first error among them */
  async function answersOf<T extends unknown[]>(commands: string[][]): Promise<T> {
    const answers = (await redis.pipeline(commands).exec()) ?? [];
    for (const [fault] of answers) if (fault) throw fault;
    return answers.map(([, answer]) => answer) as T;
  }

  /** @throws Unavailable when Redis does not answer */
  async function ping(): Promise<void> {
    try {
      await redis.ping();
    } catch (fault) {
      throw new Unavailable("redis", fault);
    }
  }

  return { readHeartbeats, ping };
}
