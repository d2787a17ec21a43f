import type { Redis } from "ioredis";
import { Unavailable } from "../../lib/unavailable.ts";

/** A user of Redis, with rules as `ACL SETUSER` takes them. */
export type RedisUser = { readonly user: string; readonly rules: readonly string[] };

/** Lets a user log in. @throws Unavailable when Redis does not answer */
export async function grantUser(redis: Redis, { user, rules }: RedisUser): Promise<void> {
  await asked(redis.acl("SETUSER", user, ...rules));
}

/** Lets a user log in no more, and ends what is logged in. @throws Unavailable when Redis does not answer */
export async function revokeUser(redis: Redis, user: string): Promise<void> {
  await asked(redis.acl("DELUSER", user));
}

/**
 * Makes sure that of the users whose names begin with `prefix` exactly these may log in: users that Redis has lost (it
 * loses all when it restarts) are granted again, others are removed.
 * @param wanted what makes the rules of each, by its name
 * @throws Unavailable when Redis does not answer
 */
export async function keepUsers(
  redis: Redis,
  prefix: string,
  wanted: ReadonlyMap<string, () => RedisUser>,
): Promise<void> {
  const users = new Set(await asked(redis.acl("USERS")));
  for (const [user, make] of wanted) if (!users.has(user)) await grantUser(redis, make());
  const former = [...users].filter((user) => user.startsWith(prefix) && !wanted.has(user));
  if (former.length > 0) await asked(redis.acl("DELUSER", ...former));
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (fault) {
    throw new Unavailable("redis", fault);
  }
}
