import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { REDIS_USERNAME } from "../../core/services/redis.ts";
import { serverOfInfo, type ServerVersion } from "../../core/services/server-version.ts";

const RETRY_MS = 10;
/** Between tries in the end: a host's firewall lets only so many in that have not logged in. */
const LONGEST_RETRY_MS = 100;

/**
 * Checks that a just-started instance does not answer without a password, logs in with the issued one, waits for
 * `PONG`, and asks what runs there. Repeated until `signal` aborts: the published port accepts connections a moment
 * before Redis listens.
 * @throws the last fault when `signal` aborts first
 */
export async function waitForPong(
  host: string,
  port: number,
  password: string,
  signal: AbortSignal,
): Promise<ServerVersion> {
  for (let retryMs = RETRY_MS; ; retryMs = Math.min(retryMs * 1.2, LONGEST_RETRY_MS)) {
    try {
      return await pingOnce(host, port, password, signal);
    } catch (fault) {
      if (signal.aborted) throw fault;
    }
    await delay(retryMs);
  }
}

/**
 * Checks in one round trip that an instance does not answer without a password, and answers `PONG` after a login with
 * this one.
 * @throws when nothing answers, when it lets everybody in, when the password is refused, and when `signal` aborts first
 */
export async function checkLogin(host: string, port: number, password: string, signal: AbortSignal): Promise<void> {
  await withClient(host, port, signal, async (redis) => {
    const answers = (await redis.pipeline().ping().auth(REDIS_USERNAME, password).ping().exec()) ?? [];
    const [[refusal] = [], [fault] = [], pong] = answers;
    // A server that lets everybody in would answer PONG to any password.
    if (!refusal?.message.startsWith("NOAUTH")) throw refusal ?? new Error("it answers without a password");
    if (fault) throw fault;
    if (pong?.[1] !== "PONG") throw pong?.[0] ?? new Error("it is no Redis: it did not answer PONG");
  });
}

function pingOnce(host: string, port: number, password: string, signal: AbortSignal): Promise<ServerVersion> {
  return withClient(host, port, signal, async (redis) => {
    // A server that lets everybody in would answer PONG to any password.
    if (await answersUnasked(redis)) throw new Error("it answers without a password");
    await redis.auth(REDIS_USERNAME, password);
    const answer: string = await redis.ping();
    if (answer !== "PONG") throw new Error("it is no Redis: it did not answer PONG");
    const server = serverOfInfo(await redis.info("server"));
    if (server === undefined) throw new Error("it is no Redis: it tells no version");
    return server;
  });
}

/** Works on one connection, without a login, and closes it. */
async function withClient<Result>(
  host: string,
  port: number,
  signal: AbortSignal,
  work: (redis: Redis) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  // With protocol 3 the client would log in by itself; here the login is part of the check.
  const redis = new Redis({
    host,
    port,
    protocol: 2,
    lazyConnect: true,
    retryStrategy: () => null,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
  });
  // Faults arrive through the promises; an "error" event without a listener would end the process.
  redis.on("error", () => undefined);
  const stop = () => redis.disconnect();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    signal.removeEventListener("abort", stop);
    redis.disconnect();
  }
}

async function answersUnasked(redis: Redis): Promise<boolean> {
  try {
    await redis.ping();
    return true;
  } catch (fault) {
    if (fault instanceof Error && fault.message.startsWith("NOAUTH")) return false;
    throw fault;
  }
}
