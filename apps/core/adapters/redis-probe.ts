import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";

const RETRY_MS = 10;

/**
 * Logs in to a just-started instance with the password issued for it and waits for `PONG`. Tried again
 * until `signal` aborts: the published port accepts connections a moment before Redis listens.
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
  const redis = new Redis({ host, port, username: "default", password, lazyConnect: true, retryStrategy: () => null, enableReadyCheck: false, maxRetriesPerRequest: 0, disableClientInfo: true });
  // Faults reach us through the promises; an unheard "error" event would end the process.
  redis.on("error", () => undefined);
  const stop = () => redis.disconnect();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await redis.connect();
    await redis.ping();
  } finally {
    signal.removeEventListener("abort", stop);
    redis.disconnect();
  }
}
