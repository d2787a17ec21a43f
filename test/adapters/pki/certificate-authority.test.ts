import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import {
  createCertificateAuthority,
  type CertificateRequest,
} from "../../../apps/adapters/pki/certificate-authority.ts";
import { makeCertificate } from "../../../apps/adapters/pki/certificates.ts";

const run = promisify(execFile);
const now = new Date("2026-11-21T10:00:00.500Z");
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const P256 = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

describe("the certificate authority", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const caEnd = new Date(now.getTime() + 1000 * DAY);
  const caPem = makeCertificate(
    { commonName: "CA", publicKey, kind: "ca", names: [], notBefore: now, notAfter: caEnd },
    undefined,
    privateKey,
  );
  const ca = { certificate: new X509Certificate(caPem), key: privateKey };
  const authority = createCertificateAuthority(() => ca);
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-ca-"));
    await writeFile(join(dir, "ca.pem"), caPem);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  /** What a host sends: openssl's request for a fresh key. */
  const requestOf = async (algorithm: readonly string[] = P256, ...more: string[]) =>
    (
      await run("openssl", [
        "req",
        "-new",
        "-newkey",
        ...algorithm,
        "-nodes",
        "-keyout",
        join(dir, "host.key"),
        "-subj",
        "/CN=host-1",
        ...more,
      ])
    ).stdout;
  const taken = (pem: string): CertificateRequest => {
    const request = authority.readRequest(pem);
    if ("refusal" in request) assert.fail(request.refusal);
    return request;
  };
  const refused = (pem: string, says: RegExp) => {
    const request = authority.readRequest(pem);
    assert.ok("refusal" in request, "it is refused");
    assert.match(request.refusal, says);
  };
  const certificateFor = (request: CertificateRequest, hostName = "fleet-1", at = now) =>
    new X509Certificate(authority.certify(request, hostName, at));

  it("takes keys on P-256 and RSA of 2048 bits or more, and knows them by their hash", async () => {
    for (const algorithm of [P256, ["rsa:2048"], ["rsa:4096"]]) {
      const { keyHash } = taken(await requestOf(algorithm));
      const key = createPublicKey(await readFile(join(dir, "host.key")));
      assert.deepEqual(
        keyHash,
        createHash("sha256")
          .update(key.export({ type: "spki", format: "der" }))
          .digest(),
      );
    }
  });

  it("knows one key as the same whatever its request says besides", async () => {
    const pem = await requestOf();
    const again = (await run("openssl", ["req", "-new", "-key", join(dir, "host.key"), "-subj", "/CN=other/O=Other"]))
      .stdout;
    assert.notEqual(pem, again);
    assert.deepEqual(taken(pem).keyHash, taken(again).keyHash);
    assert.notDeepEqual(taken(await requestOf()).keyHash, taken(pem).keyHash);
  });

  it("refuses weak and unusual keys", async () => {
    for (const algorithm of [
      ["rsa:1024"],
      ["rsa:4608"],
      ["ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
      ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
      ["ed25519"],
    ])
      refused(await requestOf(algorithm), /P-256/);
    refused(await requestOf(["rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"]), /RSA/);
  });

  it("refuses what is not signed by its key, or is no request", async () => {
    const [one, two] = [await requestOf(), await requestOf()];
    const der = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
    const pemOf = (bytes: Buffer) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    taken(pemOf(der(one)));
    for (const at of [20, -20]) {
      const tampered = der(one);
      tampered[at < 0 ? tampered.length + at : at] = (tampered.at(at) ?? 0) ^ 1;
      refused(pemOf(tampered), /not signed by its key|cannot be read/);
    }
    refused(pemOf(der(one).subarray(0, 100)), /cannot be read/);
    refused(`${one}${two}`, /no certificate request/);
    refused(caPem, /no certificate request/);
    refused("", /no certificate request/);
    refused("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", /cannot be read/);
  });

  it("takes nothing but the key from a request: no name, no right to sign, no other use", async () => {
    const greedy = await requestOf(
      P256,
      "-addext",
      "basicConstraints=critical,CA:TRUE",
      "-addext",
      "subjectAltName=DNS:control.internal,IP:10.0.0.1",
      "-addext",
      "extendedKeyUsage=clientAuth,serverAuth",
    );
    const certificate = certificateFor(taken(greedy));
    assert.deepEqual(
      [certificate.subject, certificate.subjectAltName, certificate.ca, certificate.keyUsage],
      ["CN=fleet-1", "DNS:fleet-1", false, ["1.3.6.1.5.5.7.3.1"]],
    );
  });

  it("gives what others accept as a server of that name, and for nothing else", async () => {
    for (const algorithm of [P256, ["rsa:2048"]]) {
      const certificate = certificateFor(taken(await requestOf(algorithm)));
      assert.ok(certificate.checkIssued(ca.certificate) && certificate.verify(publicKey));
      await writeFile(join(dir, "host.pem"), certificate.toString());
      const verify = (...options: string[]) =>
        run("openssl", [
          "verify",
          "-x509_strict",
          "-attime",
          String(Math.ceil(now.getTime() / 1000)),
          ...options,
          "-CAfile",
          join(dir, "ca.pem"),
          join(dir, "host.pem"),
        ]);
      await verify("-purpose", "sslserver", "-verify_hostname", "fleet-1");
      await assert.rejects(verify("-purpose", "sslserver", "-verify_hostname", "fleet-2"), /hostname mismatch/i);
      await assert.rejects(verify("-purpose", "sslclient"), /unsuitable certificate purpose/);
    }
  });

  it("counts from five minutes ago, for 825 days, and never outlasts the CA", async () => {
    const request = taken(await requestOf());
    const certificate = certificateFor(request);
    assert.equal(certificate.validFromDate.getTime(), Math.floor((now.getTime() - 5 * MINUTE) / 1000) * 1000);
    assert.equal(certificate.validToDate.getTime(), Math.floor((now.getTime() + 825 * DAY) / 1000) * 1000);
    assert.equal(
      certificateFor(request, "fleet-1", new Date(now.getTime() + 900 * DAY)).validToDate.getTime(),
      ca.certificate.validToDate.getTime(),
    );
    const brief = createCertificateAuthority(() => ca, 1).certify(request, "fleet-1", now);
    assert.equal(new X509Certificate(brief).validToDate.getTime(), Math.floor((now.getTime() + DAY) / 1000) * 1000);
  });

  it("never gives a serial number twice, and each is positive and of full length", async () => {
    const request = taken(await requestOf());
    const serials = new Set(Array.from({ length: 200 }, () => certificateFor(request).serialNumber));
    assert.equal(serials.size, 200);
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
  });
});
