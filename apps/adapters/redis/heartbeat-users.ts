import type { Redis } from "ioredis";
import { heartbeatUser, heartbeatUserPrefix } from "../../core/fleet/heartbeat-user.ts";
import { grantUser, keepUsers } from "./users.ts";

/** Permission to write heartbeats: Redis users, one a host. Needs a login that may manage users. */
export function createHeartbeatUsers(redis: Redis) {
  /** Lets a host's heartbeat log in with this password. @throws Unavailable when Redis does not answer */
  async function grant(hostName: string, password: string): Promise<void> {
    await grantUser(redis, heartbeatUser(hostName, password));
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
    const wanted = hostNames.map(
      (name) => [`${heartbeatUserPrefix}${name}`, () => heartbeatUser(name, passwordOf(name))] as const,
    );
    await keepUsers(redis, `${heartbeatUserPrefix}${namePrefix}`, new Map(wanted));
  }

  return { grant, keep };
}
