import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { encodeCommand } from "../../core/console/redis-reply.ts";
import { REDIS_USERNAME } from "../../core/services/redis.ts";
import { serverOfInfo, type ServerVersion } from "../../core/services/server-version.ts";

/** To a PING, a login, and a PING. */
const EXPECTED_REPLIES = [/^-NOAUTH /, /^\+OK$/, /^\+PONG$/];
const MOST_SHOWN = 100;
const MOST_READ = 1_000;
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
/**
 * Checks in one round trip that an instance does not answer without a password, and answers `PONG` after a login with
 * this one. A client library would ask more, and take longer than the server does; somebody waits.
 * @throws when nothing answers, when it lets everybody in, when the password is refused, and when `signal` aborts first
 */
export async function checkLogin(host: string, port: number, password: string, signal: AbortSignal): Promise<void> {
  const socket = connect({ host, port, noDelay: true, signal });
  try {
    const commands = [["PING"], ["AUTH", REDIS_USERNAME, password], ["PING"]];
    socket.write(Buffer.concat(commands.map(encodeCommand)));
    let answer = "";
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      answer += chunk.toString("latin1");
      const replies = answer.split("\r\n").slice(0, -1);
      const wrong = replies.findIndex((reply, index) => EXPECTED_REPLIES[index]?.test(reply) !== true);
      if (wrong === 0 && replies[0] === "+PONG") throw new Error("it answers without a password");
      if (wrong >= 0) throw new Error(`it answered ${JSON.stringify(replies[wrong]?.slice(0, MOST_SHOWN))}`);
      if (answer.length > MOST_READ) throw new Error("it is no Redis");
      if (replies.length === EXPECTED_REPLIES.length) return;
    }
    throw new Error("it closed the connection");
  } finally {
    socket.destroy();
  }
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
