/** Days for which the file is good from the moment it is asked for; RFC 9116 wants less than a year. */
const GOOD_FOR_DAYS = 30;
const DAY_MS = 86_400_000;

/**
 * The text of /.well-known/security.txt (RFC 9116): whom to tell of a vulnerability. Undefined without a contact, or
 * with one at an address without TLS, which the RFC does not take.
 * @param origin of this service as the caller reached it
 */
export function securityText(contact: string | undefined, origin: string, now: Date): string | undefined {
  if (contact === undefined || /^http:/i.test(contact)) return undefined;
  const canonical = `${origin}/.well-known/security.txt`;
  return [
    `Contact: ${contact.includes("://") ? contact : `mailto:${contact}`}`,
    `Expires: ${new Date(now.getTime() + GOOD_FOR_DAYS * DAY_MS).toISOString()}`,
    "Preferred-Languages: en",
    ...(canonical.startsWith("https:") ? [`Canonical: ${canonical}`] : []),
    "",
  ].join("\n");
}
