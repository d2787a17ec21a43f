import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto";
import { CertificationRequest } from "@peculiar/asn1-csr";
import { AsnConvert } from "@peculiar/asn1-schema";
import { makeCertificate } from "./certificates.ts";
import type { Authority } from "./pki-files.ts";

/** A host's certificate request. Only its public key is used; the request is signed with the private one. */
export type CertificateRequest = {
  readonly publicKey: KeyObject;
  /** SHA-256 of the public key (SPKI, DER). */
  readonly keyHash: Buffer;
};

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** Clocks of freshly booted machines are not set yet, and may be behind ours. */
const BACKDATE_MS = 5 * MINUTE;

/**
 * A host's certificate has to outlast the host, which gets no other: a droplet exists as long as it is needed,
 * which may be long. 825 days is the most that common TLS clients accept.
 */
const HOST_LIFETIME_DAYS = 825;

const LABEL = "(?:NEW )?CERTIFICATE REQUEST";
const REQUEST_PEM = new RegExp(`^\\s*-----BEGIN ${LABEL}-----([A-Za-z0-9+/=\\s]+)-----END ${LABEL}-----\\s*$`);

const hashes: Readonly<Record<string, string>> = {
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
};

/** Signs certificates of hosts. `authority` is called each time, because the CA may be replaced. */
export function createCertificateAuthority(authority: () => Authority, lifetimeDays = HOST_LIFETIME_DAYS) {
  /** The certificate (PEM) of a host's engine: valid for its name, as a server, from five minutes ago. */
  function certify(request: CertificateRequest, hostName: string, now: Date): string {
    const { certificate, key } = authority();
    const notBefore = new Date(now.getTime() - BACKDATE_MS);
    const notAfter = new Date(Math.min(now.getTime() + lifetimeDays * DAY, certificate.validToDate.getTime()));
    return makeCertificate(
      { commonName: hostName, publicKey: request.publicKey, kind: "server", names: [hostName], notBefore, notAfter },
      certificate,
      key,
    );
  }

  return { readRequest: readCertificateRequest, certify };
}

/**
 * Reads a certificate request (PKCS #10, PEM), or returns a sentence that says why it is not signed: its key
 * must be EC on P-256, or RSA of 2048 to 4096 bits, and have signed it.
 */
function readCertificateRequest(pem: string): CertificateRequest | { readonly refusal: string } {
  const [, base64] = REQUEST_PEM.exec(pem) ?? [];
  if (base64 === undefined) return { refusal: "The body is no certificate request in PEM." };
  let request: CertificationRequest;
  let publicKey: KeyObject;
  try {
    request = AsnConvert.parse(Buffer.from(base64, "base64"), CertificationRequest);
    publicKey = createPublicKey({
      key: Buffer.from(AsnConvert.serialize(request.certificationRequestInfo.subjectPKInfo)),
      format: "der",
      type: "spki",
    });
  } catch {
    return { refusal: "The certificate request cannot be read." };
  }
  // Checked before the signature: verifying one of an absurdly large key may take for ever.
  if (!isKeyWeTake(publicKey)) return { refusal: "The key must be EC on P-256, or RSA of 2048 to 4096 bits." };
  if (!isSigned(request, publicKey)) return { refusal: "The certificate request is not signed by its key." };
  return {
    publicKey,
    keyHash: createHash("sha256")
      .update(publicKey.export({ type: "spki", format: "der" }))
      .digest(),
  };
}

function isKeyWeTake({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): boolean {
  const { namedCurve, modulusLength = 0, publicExponent } = asymmetricKeyDetails;
  if (asymmetricKeyType === "ec") return namedCurve === "prime256v1";
  return asymmetricKeyType === "rsa" && modulusLength >= 2048 && modulusLength <= 4096 && publicExponent === 65_537n;
}

function isSigned(
  { certificationRequestInfoRaw, signatureAlgorithm, signature }: CertificationRequest,
  publicKey: KeyObject,
): boolean {
  const hash = hashes[signatureAlgorithm.algorithm];
  if (hash === undefined || certificationRequestInfoRaw === undefined) return false;
  return verify(hash, Buffer.from(certificationRequestInfoRaw), publicKey, Buffer.from(signature));
}
