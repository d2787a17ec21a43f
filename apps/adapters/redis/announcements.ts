import type { Redis } from "ioredis";
import { ANNOUNCEMENT_PREFIX, LONGEST_ANNOUNCEMENT } from "../../core/balance/announcement.ts";
import { isClaim, type Claim, type OwnerChange, type Owners } from "../../core/balance/applications.ts";
import type { AnnouncementBoard, SeenAnnouncements } from "../../core/balance/contract.ts";
import { Unavailable } from "../../lib/unavailable.ts";

/** Hash with the owner of each claim. It is no key that a host may write. */
const OWNERS_KEY = "application-owners";
/** What PTTL answers for a key that does not exist, and for one that never expires. */
const NO_KEY = -2;
const NO_END = -1;

/** Changes fields of a hash that are as they are thought to be: ARGV has field, former and new value; "" for none. */
const CHANGE_OWNERS = `
for index = 1, #ARGV, 3 do
  local owner = redis.call("HGET", KEYS[1], ARGV[index]) or ""
  if owner == ARGV[index + 1] then
    if ARGV[index + 2] == "" then
      redis.call("HDEL", KEYS[1], ARGV[index])
    else
      redis.call("HSET", KEYS[1], ARGV[index], ARGV[index + 2])
    end
  end
end
return redis.call("HGETALL", KEYS[1])`;

/** Announcements in keys of Redis that expire. */
export function createAnnouncementBoard(redis: Redis): AnnouncementBoard {
  async function read(hosts: readonly string[]): Promise<SeenAnnouncements> {
    const keys = hosts.map((host) => `${ANNOUNCEMENT_PREFIX}${host}`);
    const [info, owners, ...answers] = await answersOf([
      ["info", "server"],
      ["hgetall", OWNERS_KEY],
      // One character more than an announcement may have: that is refused as too long.
      ...keys.flatMap((key) => [
        ["getrange", key, "0", String(LONGEST_ANNOUNCEMENT)],
        ["pttl", key],
      ]),
    ]);
    const serverRun = /^run_id:(\w+)/m.exec(String(info))?.[1];
    if (serverRun === undefined) throw new Unavailable("redis", new Error("it does not tell its run_id"));
    const kept = hosts.flatMap((host, index) => {
      const [text, lifeMs] = [answers[2 * index], answers[2 * index + 1]];
      if (typeof lifeMs !== "number") throw new Unavailable("redis", lifeMs);
      if (lifeMs === NO_KEY) return [];
      return [{ host, text: typeof text === "string" ? text : "", lifeMs: lifeMs === NO_END ? null : lifeMs }];
    });
    return { kept, owners: ownersIn(pairsOf(owners)), serverRun };
  }

  async function changeOwners(changes: readonly OwnerChange[]): Promise<Owners> {
    const words = changes.flatMap(({ claim, from, to }) => [claim, from ?? "", to ?? ""]);
    const [owners] = await answersOf([["eval", CHANGE_OWNERS, "1", OWNERS_KEY, ...words]]);
    if (owners instanceof Error) throw new Unavailable("redis", owners);
    return ownersIn(pairsOf(owners));
  }

  /** Answers of commands sent together; what Redis refuses, such as a key of another kind, is the answer. */
  async function answersOf(commands: string[][]): Promise<unknown[]> {
    try {
      const answers = (await redis.pipeline(commands).exec()) ?? [];
      for (const [fault] of answers) if (fault && fault.name !== "ReplyError") throw fault;
      return answers.map(([fault, answer]) => fault ?? answer);
    } catch (fault) {
      throw new Unavailable("redis", fault);
    }
  }

  return { read, changeOwners };
}

/** Fields and values, in the two forms that they come in. */
function pairsOf(answer: unknown): readonly (readonly [string, string])[] {
  if (Array.isArray(answer)) {
    const words = answer.map(String);
    return Array.from({ length: words.length / 2 }, (_, index) => [words[2 * index] ?? "", words[2 * index + 1] ?? ""]);
  }
  return typeof answer === "object" && answer !== null && !(answer instanceof Error)
    ? Object.entries(answer as Record<string, string>)
    : [];
}

function ownersIn(pairs: readonly (readonly [string, string])[]): Owners {
  return new Map(pairs.filter((pair): pair is [Claim, string] => isClaim(pair[0])));
}
