import type { Redis } from "ioredis";
import { heartbeatUser, heartbeatUserPrefix } from "../../core/fleet/heartbeat-user.ts";
import { Unavailable } from "../../lib/unavailable.ts";

/** Permission to write heartbeats: Redis users, one a host. Needs a login that may manage users. */
export function createHeartbeatUsers(redis: Redis) {
  /** Lets a host's heartbeat log in with this password. @throws Unavailable when Redis does not answer */
  async function grant(hostName: string, password: string): Promise<void> {
    const { user, rules } = heartbeatUser(hostName, password);
    await asked(redis.acl("SETUSER", user, ...rules));
  }

  /**
   * Makes sure that of the hosts whose names begin with `namePrefix` exactly these may log in: users that Redis
   * has lost (it loses all when it restarts) are granted again, those of former hosts are removed.
   * @throws Unavailable when Redis does not answer
   */
  async function keep(
    namePrefix: string,
    hostNames: readonly string[],
    passwordOf: (hostName: string) => string,
  ): Promise<void> {
    const users = new Set(await asked(redis.acl("USERS")));
    const wanted = new Set(hostNames.map((name) => `${heartbeatUserPrefix}${name}`));
    for (const name of hostNames) if (!users.has(`${heartbeatUserPrefix}${name}`)) await grant(name, passwordOf(name));
    const former = [...users].filter(
      (user) => user.startsWith(`${heartbeatUserPrefix}${namePrefix}`) && !wanted.has(user),
    );
    if (former.length > 0) await asked(redis.acl("DELUSER", ...former));
  }

  return { grant, keep };
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (fault) {
    throw new Unavailable("redis", fault);
  }
}
