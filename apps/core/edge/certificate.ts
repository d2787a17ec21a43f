import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { messageOf } from "../../lib/errors.ts";

/** A certificate that can be served, or why it cannot. */
export type CheckedCertificate =
  | {
      readonly kind: "good";
      /** Certificate, those of its issuers, and key, in this order. */
      readonly pem: string;
      readonly expiresAt: Date;
      /** SHA-256 of the certificate, in hex. */
      readonly fingerprint: string;
    }
  | { readonly kind: "bad"; readonly reason: string };

/** A name that no instance has: it stands for all that a wildcard covers. */
const ANY_LABEL = "0000000000000000";

/**
 * Checks a certificate and its key as files have them: they belong together, the certificate is for all names under a
 * domain, and `now` is within its time. Reasons are sentences for the operator.
 * @param domain undefined: whatever names it is for
 */
export function checkCertificate(
  { chain, key }: { readonly chain: string; readonly key: string },
  domain: string | undefined,
  now: Date,
): CheckedCertificate {
  const blocks = chain.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return bad("the certificate's file has no certificate in it");
  const certificates: X509Certificate[] = [];
  let privateKey: KeyObject;
  try {
    for (const block of blocks) certificates.push(new X509Certificate(block));
  } catch (fault) {
    return bad(`the certificate cannot be read: ${messageOf(fault)}`);
  }
  try {
    privateKey = createPrivateKey(key);
  } catch (fault) {
    return bad(`the key cannot be read: ${messageOf(fault)}`);
  }
  const [leaf] = certificates;
  if (!leaf) return bad("the certificate's file has no certificate in it");
  if (!leaf.checkPrivateKey(privateKey)) return bad("the key is another certificate's");
  const [from, to] = [new Date(leaf.validFrom), new Date(leaf.validTo)];
  if (now < from) return bad(`the certificate is not valid before ${from.toISOString()}`);
  if (now >= to) return bad(`the certificate has expired at ${to.toISOString()}`);
  if (domain !== undefined && leaf.checkHost(`${ANY_LABEL}.${domain}`, { subject: "never" }) === undefined)
    return bad(`the certificate is not for *.${domain}, but for ${leaf.subjectAltName ?? "no name at all"}`);
  for (const [index, issuer] of certificates.slice(1).entries())
    if (!certificates[index]?.checkIssued(issuer))
      return bad(`certificate ${index + 2} of the file has not issued the one before it`);
  const own = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return {
    kind: "good",
    pem: `${blocks.join("\n")}\n${own}`,
    expiresAt: to,
    fingerprint: leaf.fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}

function bad(reason: string): CheckedCertificate {
  return { kind: "bad", reason };
}
