import { hkdfSync } from "node:crypto";

/** User of every instance that the service itself logs in as to see how it is used; it reads counts, and no data. */
export const WATCH_USERNAME = "watch";

/** Password of that user of one instance. Derived, not kept: whoever knows the server's secret can tell it. */
export function watchPassword(serverSecret: string, instanceId: string): string {
  return Buffer.from(hkdfSync("sha256", serverSecret, instanceId, "watch", 24)).toString("base64url");
}
