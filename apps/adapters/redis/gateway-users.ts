import type { Redis } from "ioredis";
import { gatewayUser, gatewayUserPrefix } from "../../core/edge/gateway-user.ts";
import { grantUser, keepUsers } from "./users.ts";

/** Permission to be a gateway: Redis users, one a gateway on a droplet. Needs a login that may manage users. */
export function createGatewayUsers(redis: Redis) {
  return {
    /** Lets a gateway log in with this password. @throws Unavailable when Redis does not answer */
    grant: (name: string, password: string): Promise<void> => grantUser(redis, gatewayUser(name, password)),
    /**
     * Makes sure that of the gateways whose names begin with `namePrefix` exactly these may log in: Redis loses its
     * users when it restarts.
     * @throws Unavailable when Redis does not answer
     */
    keep: (namePrefix: string, names: readonly string[], passwordOf: (name: string) => string): Promise<void> =>
      keepUsers(
        redis,
        `${gatewayUserPrefix}${namePrefix}`,
        new Map(names.map((name) => [`${gatewayUserPrefix}${name}`, () => gatewayUser(name, passwordOf(name))])),
      ),
  };
}
