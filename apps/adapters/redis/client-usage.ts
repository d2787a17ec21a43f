import type { RedisReply } from "../../core/console/redis-reply.ts";
import { clientUsageOf, type ClientUsage } from "../../core/operator/client-usage.ts";
import { WATCH_USERNAME } from "../../core/services/watch-user.ts";
import { NoReply, openConnection, type RedisConnection } from "./consoles/connection.ts";

/** Far beyond what the most clients and commands that there can be make; what is longer is not believed. */
const LONGEST_REPLY = 1024 * 1024;
const TRIES = 5;
const BOUNDS = { readBytes: LONGEST_REPLY, keptBytes: LONGEST_REPLY };

/**
 * Logs in to an instance as its user `watch`, reads how it is used, and hangs up; see `ReadClientUsage`. Its owner may
 * kill connections, this one as well: then it begins anew, a few times.
 */
export async function readClientUsage(
  host: string,
  port: number,
  password: string,
  withinMs: number,
): Promise<ClientUsage | undefined> {
  const end = performance.now() + withinMs;
  const msLeft = () => Math.max(1, Math.ceil(end - performance.now()));
  for (let tries = 1; tries <= TRIES; tries++) {
    const usage = await readOnce(host, port, password, msLeft);
    if (usage !== "killed") return usage;
  }
  return undefined;
}

async function readOnce(
  host: string,
  port: number,
  password: string,
  msLeft: () => number,
): Promise<ClientUsage | "killed" | undefined> {
  let connection: RedisConnection | undefined;
  try {
    connection = await openConnection(host, port, msLeft());
    const { reply: login } = await connection.ask(["AUTH", WATCH_USERNAME, password], BOUNDS, msLeft());
    if (login.kind !== "status") return undefined;
    const { reply: stats } = await connection.ask(["INFO", "commandstats"], BOUNDS, msLeft());
    const { reply: clients } = await connection.ask(["CLIENT", "LIST", "TYPE", "pubsub"], BOUNDS, msLeft());
    const [statsText, clientsText] = [wholeText(stats), wholeText(clients)];
    if (statsText === undefined || clientsText === undefined) return undefined;
    return clientUsageOf(statsText, clientsText);
  } catch (fault) {
    if (!(fault instanceof NoReply)) throw fault;
    // An instance that accepts no connection at all would not do so the next moment either.
    return fault.reason === "closed" && connection !== undefined ? "killed" : undefined;
  } finally {
    connection?.close();
  }
}

function wholeText(reply: RedisReply): string | undefined {
  return reply.kind === "string" && reply.bytes.length === reply.length ? reply.bytes.toString("utf8") : undefined;
}
