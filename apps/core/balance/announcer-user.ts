import { hkdfSync } from "node:crypto";
import { hashSecret } from "../../lib/secrets.ts";
import { ANNOUNCEMENT_PREFIX, ANNOUNCER_NAME_PATTERN, announcerUserPrefix } from "./announcement.ts";
import type { Announcer } from "./contract.ts";

/**
 * The Redis user that one host announces by, and its rules as `ACL SETUSER` takes them: it can set and delete the key
 * `app:<name>`, and do nothing else but PING. Only a hash of the password is in it.
 * @throws when the name has characters that would change the rules
 */
export function announcerUser(
  name: string,
  password: string,
): { readonly user: string; readonly rules: readonly string[] } {
  if (!new RegExp(ANNOUNCER_NAME_PATTERN).test(name)) throw new Error(`"${name}" is no name for an announcer`);
  const key = `%W~${ANNOUNCEMENT_PREFIX}${name}`;
  return {
    user: `${announcerUserPrefix}${name}`,
    rules: ["reset", "on", `#${hashSecret(password).toString("hex")}`, key, "+set", "+del", "+ping"],
  };
}

/**
 * Password of the Redis user that a host announces by. Derived, not kept: the control plane can grant it again whenever
 * Redis has lost its users. One that is granted again after it was revoked has another nonce, and so another password.
 */
export function announcerPassword(serverSecret: string, { name, nonce }: Pick<Announcer, "name" | "nonce">): string {
  const salt = Buffer.concat([nonce, Buffer.from(name)]);
  return Buffer.from(hkdfSync("sha256", serverSecret, salt, "announcer", 24)).toString("base64url");
}
