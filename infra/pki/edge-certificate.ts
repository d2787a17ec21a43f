import { createPrivateKey, generateKeyPair, X509Certificate, type KeyObject } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeCertificate } from "../../apps/adapters/pki/certificates.ts";
import { checkCertificate } from "../../apps/core/edge/certificate.ts";

/** A certificate authority of our own, for an edge whose domain nobody else can have a certificate for. */
export interface EdgeAuthority {
  certificate: X509Certificate;
  key: KeyObject;
  /** The certificate as clients are given it (PEM). */
  ca: string;
}

/** Files of an edge's certificate, as certbot names them. */
export interface EdgeCertificate {
  chain: string;
  key: string;
}

const DAY = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const LEAF_DAYS = 90;
/** With less time left, a new one is made. */
const RENEW_DAYS = 30;
/** For clocks that are behind. */
const BACKDATE_MS = 60 * 60_000;

/** Makes an authority. It can sign certificates, and its key is nowhere but in what is returned. */
export async function createEdgeAuthority(now = new Date()): Promise<EdgeAuthority> {
  const { publicKey, privateKey } = await newKeys();
  const ca = makeCertificate(
    {
      commonName: "Get a Redis, this edge's own CA",
      publicKey,
      kind: "ca",
      names: [],
      notBefore: new Date(now.getTime() - BACKDATE_MS),
      notAfter: new Date(now.getTime() + AUTHORITY_DAYS * DAY),
    },
    undefined,
    privateKey,
  );
  return { certificate: new X509Certificate(ca), key: privateKey, ca };
}

/** Issues a certificate for all names under a domain, or for other names. */
export async function issueEdgeCertificate(
  authority: EdgeAuthority,
  { domain, now, names = [`*.${domain}`] }: { domain: string; now: Date; names?: readonly string[] },
): Promise<EdgeCertificate> {
  const { publicKey, privateKey } = await newKeys();
  const chain = makeCertificate(
    {
      commonName: "Get a Redis, edge",
      publicKey,
      kind: "server",
      names,
      notBefore: new Date(now.getTime() - BACKDATE_MS),
      notAfter: new Date(now.getTime() + LEAF_DAYS * DAY),
    },
    authority.certificate,
    authority.key,
  );
  return { chain, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

/**
 * Makes sure that a folder has ca.pem, and fullchain.pem with privkey.pem that it has issued for the domain and that
 * are good for a while. The authority stays the same from then on, so that clients need be given it once.
 * @returns the path of ca.pem
 */
export async function ensureEdgeCertificate(folder: string, domain: string, now: Date): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = (name: string) => join(folder, name);
  const read = (name: string) => readFile(path(name), "utf8").catch(() => undefined);
  const [chain, key, ca, caKey] = await Promise.all(["fullchain.pem", "privkey.pem", "ca.pem", "ca-key.pem"].map(read));
  if (ca !== undefined && chain !== undefined && key !== undefined) {
    const later = new Date(now.getTime() + RENEW_DAYS * DAY);
    if (checkCertificate({ chain, key }, domain, later).kind === "good") return path("ca.pem");
  }
  const authority = authorityOf(ca, caKey, now) ?? (await createEdgeAuthority(now));
  const issued = await issueEdgeCertificate(authority, { domain, now });
  const authorityKey = authority.key.export({ type: "pkcs8", format: "pem" }).toString();
  // Of a run that was killed halfway, either both of an authority's files are there, or it is made anew.
  await replace(path("ca-key.pem"), authorityKey, 0o600);
  await replace(path("ca.pem"), authority.ca, 0o644);
  await replace(path("privkey.pem"), issued.key, 0o600);
  await replace(path("fullchain.pem"), issued.chain, 0o644);
  return path("ca.pem");
}

function authorityOf(ca: string | undefined, caKey: string | undefined, now: Date): EdgeAuthority | undefined {
  if (ca === undefined || caKey === undefined) return undefined;
  try {
    const certificate = new X509Certificate(ca);
    const key = createPrivateKey(caKey);
    return certificate.checkPrivateKey(key) && certificate.validToDate > now ? { certificate, key, ca } : undefined;
  } catch {
    return undefined;
  }
}

function newKeys(): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  return promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
}

/** Writes a file at once: nobody reads half of it. */
async function replace(path: string, content: string, mode: number): Promise<void> {
  await writeFile(`${path}.new`, content, { mode });
  await rename(`${path}.new`, path);
}
