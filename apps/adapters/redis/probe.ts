import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { REDIS_USERNAME } from "../../core/services/redis.ts";

const RETRY_MS = 10;

/**
 * Logs in to a just-started instance with the password issued for it and waits for `PONG`, having seen
 * that it does not answer without. Tried again until `signal` aborts: the published port accepts
 * connections a moment before Redis listens.
 * @throws the last fault when `signal` aborts first
 */
export async function waitForPong(host: string, port: number, password: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await pingOnce(host, port, password, signal);
      return;
    } catch (fault) {
      if (signal.aborted) throw fault;
    }
    await delay(RETRY_MS);
  }
}

async function pingOnce(host: string, port: number, password: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  // Protocol 3 would begin with a login by itself; this login is ours to watch.
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
  // Faults reach us through the promises; an unheard "error" event would end the process.
  redis.on("error", () => undefined);
  const stop = () => redis.disconnect();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await redis.connect();
    // A server that lets everybody in would answer PONG to any password.
    if (await answersUnasked(redis)) throw new Error("it answers without a password");
    await redis.auth(REDIS_USERNAME, password);
    const answer: string = await redis.ping();
    if (answer !== "PONG") throw new Error("it is no Redis: it did not answer PONG");
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
