import { createHash, randomBytes, sign, X509Certificate, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";

/** The content of a certificate. */
export type CertificateFacts = {
  readonly commonName: string;
  readonly publicKey: KeyObject;
  /** A `ca` signs certificates of the other kinds and nothing else; a `server` is no `client`. */
  readonly kind: "ca" | "server" | "client";
  /** DNS names and IP addresses it is valid for. */
  readonly names: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
};

const COMMON_NAME = "2.5.4.3";
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const KEY_ID_BYTES = 20;
const SERIAL_BYTES = 16;

/**
 * Makes a certificate (PEM), signed with an EC key. The serial number is random. Written with the ASN.1
 * schemas themselves: @peculiar/x509, which is made of them, needs a polyfill that changes the global
 * Reflect, makes everything asynchronous, and names keys by SHA-1 where certificates in use have SHA-256.
 * @param issuer the CA's certificate; undefined makes one that signs itself
 */
export function makeCertificate(
  facts: CertificateFacts,
  issuer: X509Certificate | undefined,
  signingKey: KeyObject,
): string {
  const subject = new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({ type: COMMON_NAME, value: new AttributeValue({ utf8String: facts.commonName }) }),
    ]),
  ]);
  const subjectPublicKeyInfo = AsnConvert.parse(
    facts.publicKey.export({ type: "spki", format: "der" }),
    SubjectPublicKeyInfo,
  );
  const issuing = issuer && AsnConvert.parse(issuer.raw, Certificate).tbsCertificate;
  const signature = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: bytes(randomSerial()),
    signature,
    issuer: issuing?.subject ?? subject,
    validity: new Validity({ notBefore: facts.notBefore, notAfter: facts.notAfter }),
    subject,
    subjectPublicKeyInfo,
    extensions: new Extensions([...usesOf(facts), ...keyIds(subjectPublicKeyInfo, issuing?.subjectPublicKeyInfo)]),
  });
  const signatureValue = bytes(sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), signingKey));
  const der = AsnConvert.serialize(new Certificate({ tbsCertificate, signatureAlgorithm: signature, signatureValue }));
  return new X509Certificate(Buffer.from(der)).toString();
}

function usesOf({ kind, names }: CertificateFacts): Extension[] {
  const isCa = kind === "ca";
  const uses = [
    extension(
      id_ce_basicConstraints,
      true,
      isCa ? new BasicConstraints({ cA: true, pathLenConstraint: 0 }) : new BasicConstraints(),
    ),
    extension(id_ce_keyUsage, true, new KeyUsage(isCa ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature)),
  ];
  if (!isCa)
    uses.push(
      extension(
        id_ce_extKeyUsage,
        false,
        new ExtendedKeyUsage([kind === "server" ? id_kp_serverAuth : id_kp_clientAuth]),
      ),
    );
  if (names.length > 0)
    uses.push(
      extension(
        id_ce_subjectAltName,
        false,
        new SubjectAlternativeName(
          names.map((name) => new GeneralName(isIP(name) === 0 ? { dNSName: name } : { iPAddress: name })),
        ),
      ),
    );
  return uses;
}

/** Key identifiers: a program that searches for the issuer can tell two CAs of one name apart by them. */
function keyIds(subject: SubjectPublicKeyInfo, issuer: SubjectPublicKeyInfo | undefined): Extension[] {
  const ids = [extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyId(subject)))];
  if (issuer)
    ids.push(
      extension(
        id_ce_authorityKeyIdentifier,
        false,
        new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyId(issuer)) }),
      ),
    );
  return ids;
}

function keyId({ subjectPublicKey }: SubjectPublicKeyInfo): ArrayBuffer {
  return bytes(createHash("sha256").update(Buffer.from(subjectPublicKey)).digest().subarray(0, KEY_ID_BYTES));
}

function extension(extnID: string, critical: boolean, value: unknown): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

/** Positive and of full length, because the first bits are set to 01. */
function randomSerial(): Buffer {
  const serial = randomBytes(SERIAL_BYTES);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

/** A copy in memory of its own, as the encoder requires. */
function bytes(buffer: Buffer): ArrayBuffer {
  return new Uint8Array(buffer).buffer;
}
