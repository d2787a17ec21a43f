import { hkdfSync } from "node:crypto";
import { hashSecret } from "../../lib/secrets.ts";

/** Prefix of the Redis users that heartbeats log in as. */
export const heartbeatUserPrefix = "host-";

/**
 * The Redis user that one host's programs log in as, and its rules as `ACL SETUSER` takes them: it can write the keys
 * `host:<name>` and `port-map-state:<name>` with SET, read what its ports should be, wait for news of that, and do
 * nothing else but PING. Only a hash of the password is in it.
 * @throws when the name has characters that would change the rules
 */
export function heartbeatUser(
  hostName: string,
  password: string,
): { readonly user: string; readonly rules: readonly string[] } {
  if (!/^[a-z0-9][a-z0-9.-]{0,62}$/i.test(hostName))
    throw new Error(`"${hostName}" is no name for a host: letters, digits, dots and dashes only`);
  return {
    user: `${heartbeatUserPrefix}${hostName}`,
    rules: [
      ...["reset", "on", `#${hashSecret(password).toString("hex")}`],
      ...[`%W~host:${hostName}`, `%W~port-map-state:${hostName}`, "+set"],
      ...[`%R~port-map:${hostName}`, "+hget", `~port-map-nudge:${hostName}`, "+blpop"],
      "+ping",
    ],
  };
}

/**
 * Password of the Redis user that a host's heartbeat logs in as. Derived, not kept: the control plane
 * can grant it again whenever Redis has lost its users.
 */
export function heartbeatPassword(serverSecret: string, hostName: string): string {
  return Buffer.from(hkdfSync("sha256", serverSecret, hostName, "heartbeat", 24)).toString("base64url");
}
