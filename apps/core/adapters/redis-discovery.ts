import { Redis } from "ioredis";
import { readHeartbeat, type Pulse } from "../domain/host.ts";
import { Unavailable } from "../domain/unavailable.ts";

const COMMAND_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
const MAX_RECONNECT_MS = 2_000;

/**
 * A client that fails at once while Redis is away and reconnects for ever.
 * @param onFault told of connection errors; each would otherwise end the process
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
  return redis;
}

/** Who is alive, read from the keys that heartbeats keep alive. */
export function createRedisDiscovery(redis: Redis) {
  /**
   * The pulse of each of these hosts; a host whose key does not exist now is absent from the map.
   * @throws Unavailable when Redis does not answer: who is alive is unknown then, nobody is dead
   */
  async function readPulses(hostNames: readonly string[]): Promise<Map<string, Pulse>> {
    if (hostNames.length === 0) return new Map();
    let values: (string | null)[];
    try {
      values = await redis.mget(hostNames.map((name) => `host:${name}`));
    } catch (fault) {
      throw new Unavailable("redis", fault);
    }
    const pulses = new Map<string, Pulse>();
    for (const [index, name] of hostNames.entries()) {
      const value = values[index];
      if (typeof value === "string") pulses.set(name, readHeartbeat(name, value));
    }
    return pulses;
  }

  /** @throws Unavailable when Redis does not answer */
  async function ping(): Promise<void> {
    try {
      await redis.ping();
    } catch (fault) {
      throw new Unavailable("redis", fault);
    }
  }

  return { readPulses, ping };
}
