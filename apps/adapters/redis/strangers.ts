import { setTimeout as delay } from "node:timers/promises";
import { ReplyError, type Redis } from "ioredis";
import { Unavailable } from "../../lib/unavailable.ts";

/** The name that Redis gives a connection which has not logged in. */
const NOBODY = "default";
const LOOK_MS = 2_000;

/** Why connections that have not logged in cannot be ended, as it stands in a log. */
export type Refusal = { readonly refusal: string };

/** What is said of strangers, in a log. */
export type StrangerNotes = Record<"info" | "debug", (fields: object, message: string) => void>;

/**
 * Ends connections that have not logged in for `loginMs`. Where the user `default` is off, as in the Redis that
 * we set up, a connection by that name is nobody's. In another Redis it may be somebody's, and none is ended.
 * @throws Unavailable when Redis does not answer
 */
export async function endStrangers(redis: Redis, loginMs: number): Promise<{ readonly ended: number } | Refusal> {
  try {
    if (!(await isOff(redis, NOBODY))) return { refusal: `its user ${NOBODY} can log in` };
    const list = String(await redis.call("CLIENT", "LIST", "TYPE", "NORMAL"));
    const ids = strangersIn(list, loginMs);
    if (ids.length === 0) return { ended: 0 };
    const answers = (await redis.pipeline(ids.map((id) => ["client", "KILL", "ID", id])).exec()) ?? [];
    for (const [fault] of answers) if (fault) throw fault;
    return { ended: answers.filter(([, killed]) => killed === 1).length };
  } catch (fault) {
    if (fault instanceof ReplyError) return { refusal: (fault as Error).message };
    throw new Unavailable("redis", fault);
  }
}

/**
 * Does so again and again until `stop` aborts. That Redis does not allow it is said once.
 */
export async function keepStrangersOut(
  redis: Redis,
  loginMs: number,
  notes: StrangerNotes,
  stop: AbortSignal,
): Promise<void> {
  let said: string | undefined;
  while (!stop.aborted) {
    try {
      const outcome = await endStrangers(redis, loginMs);
      if ("refusal" in outcome) {
        if (said !== outcome.refusal)
          notes.info({ reason: outcome.refusal }, "connections to redis that do not log in are not ended");
        said = outcome.refusal;
      } else if (outcome.ended > 0) {
        notes.info({ ended: outcome.ended }, "connections to redis that did not log in were ended");
      }
    } catch (fault) {
      // What reads heartbeats says that Redis is away.
      notes.debug({ err: fault }, "connections to redis cannot be looked at");
    }
    await delay(LOOK_MS, undefined, { signal: stop }).catch(() => undefined);
  }
}

async function isOff(redis: Redis, user: string): Promise<boolean> {
  // A list of names and values in turn, the first of them "flags".
  const [, flags] = (await redis.call("ACL", "GETUSER", user)) as [string, string[]];
  return flags.includes("off");
}

/** Ids in an answer to CLIENT LIST of those who have not logged in for so long. */
function strangersIn(list: string, loginMs: number): string[] {
  return list.split("\n").flatMap((line) => {
    const facts = new Map(
      line.split(" ").map((fact) => {
        const at = fact.indexOf("=");
        return [fact.slice(0, at), fact.slice(at + 1)] as const;
      }),
    );
    const id = facts.get("id");
    const isStranger = facts.get("user") === NOBODY && Number(facts.get("age")) * 1000 >= loginMs;
    return id !== undefined && isStranger ? [id] : [];
  });
}
