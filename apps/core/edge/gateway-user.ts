import { hkdfSync } from "node:crypto";
import { hashSecret } from "../../lib/secrets.ts";
import { poolChannels, POOL_KEY } from "../balance/pool.ts";
import { gatewayNamePattern } from "./gateway.ts";

/** Prefix of the Redis users that gateways on droplets log in as. */
export const gatewayUserPrefix = "gateway-";

/**
 * The Redis user that one gateway logs in as, and its rules as `ACL SETUSER` takes them: it writes its own sign of life
 * alone and reads those of others, hears and acknowledges routes, follows pools as messages say, and reads announcements.
 * What is of hosts and of rates is closed to it. Only a hash of the password is in it.
 * @throws when the name has characters that would change the rules
 */
export function gatewayUser(
  name: string,
  password: string,
): { readonly user: string; readonly rules: readonly string[] } {
  if (!gatewayNamePattern.test(name)) throw new Error(`"${name}" is no name for a gateway`);
  const channels = ["getaredis:routes", "getaredis:carried", ...poolChannels];
  return {
    user: `${gatewayUserPrefix}${name}`,
    rules: [
      ...["reset", "on", `#${hashSecret(password).toString("hex")}`],
      ...channels.map((channel) => `&${channel}`),
      ...["+ping", "+info", "+multi", "+exec", "+publish", "+subscribe", "+psubscribe"],
      `(%W~gateway:${name} %W~gateway::services:${name} +set +del)`,
      "(%W~gateway::names %W~gateway::service-names +sadd)",
      "(%R~gateway:* +smembers +get)",
      `(~${POOL_KEY} ~${POOL_KEY}:* +type +getrange +get +set +eval)`,
      "(%R~app:* +getrange +pttl)",
      "(~application-owners +hgetall +hget +hset +hdel +eval)",
    ],
  };
}

/** Password of that user. Derived, not kept: it can be granted again whenever Redis has lost its users. */
export function gatewayPassword(serverSecret: string, name: string): string {
  return Buffer.from(hkdfSync("sha256", serverSecret, name, "gateway", 24)).toString("base64url");
}
