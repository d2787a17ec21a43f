import type { Redis } from "ioredis";
import type { Pools } from "../../core/balance/contract.ts";
import { LONGEST_POOL_TEXT, poolChannels, poolOf, type PoolMessage } from "../../core/balance/pool.ts";
import { Unavailable } from "../../lib/unavailable.ts";

/** So often a key may be changed by others between a look and a change. */
const TRIES = 50;

/** Sets a key when it is as it was looked at: ARGV has whether there was one, its text then, and its text from now on. */
const CHANGE = `
local text = redis.call("GET", KEYS[1])
if (text and ARGV[1] == "1" and text == ARGV[2]) or (not text and ARGV[1] == "0") then
  redis.call("SET", KEYS[1], ARGV[3])
  return 1
end
return 0`;

/** Pools in keys of Redis. */
export function createRedisPools(redis: Redis): Pools {
  async function read(key: string): Promise<string | undefined> {
    const [type, text] = await answersOf(redis, [
      ["type", key],
      // One character more than a pool may have: that is refused as too long.
      ["getrange", key, "0", String(LONGEST_POOL_TEXT)],
    ]);
    if (typeof type !== "string") throw new Unavailable("redis", type);
    if (type === "none") return undefined;
    return typeof text === "string" ? text : "";
  }

  const change: Pools["change"] = async (key, rule) => {
    for (let attempt = 1; ; attempt++) {
      const text = await read(key);
      const result = rule(text);
      if (result.kind !== "changed") return result;
      const former = text === undefined ? ["0", ""] : ["1", text];
      const [isChanged] = await answersOf(redis, [["eval", CHANGE, "1", key, ...former, result.text]]);
      if (isChanged === 1) return result;
      if (isChanged instanceof Error) throw new Unavailable("redis", isChanged);
      if (attempt === TRIES) throw new Unavailable("redis", new Error(`${key} changes all the time`));
    }
  };

  return { read, change };
}

/** Calls `hear` with each message that changes a pool, over a connection that does nothing else. */
export function onPoolMessage(redis: Redis, hear: (key: string, message: PoolMessage) => void): void {
  redis.on("pmessage", (_pattern: string, channel: string, entry: string) => {
    const pool = poolOf(channel);
    if (pool) hear(pool.key, { kind: pool.kind, entry });
  });
  // The client renews its subscriptions after a reconnect, but not one that failed the first time.
  const subscribe = () => void redis.psubscribe(...poolChannels).catch(() => undefined);
  redis.on("ready", subscribe);
  if (redis.status === "ready") subscribe();
}

/**
 * Answers of commands sent together; what Redis refuses is the answer.
 * @throws Unavailable when it does not answer
 */
async function answersOf(redis: Redis, commands: string[][]): Promise<unknown[]> {
  try {
    const answers = (await redis.pipeline(commands).exec()) ?? [];
    for (const [fault] of answers) if (fault && fault.name !== "ReplyError") throw fault;
    return answers.map(([fault, answer]) => fault ?? answer);
  } catch (fault) {
    throw new Unavailable("redis", fault);
  }
}
