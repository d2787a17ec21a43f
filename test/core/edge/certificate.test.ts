import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkCertificate } from "../../../apps/core/edge/certificate.ts";
import { createEdgeAuthority, issueEdgeCertificate } from "../../../infra/pki/edge-certificate.ts";

const domain = "redis.example.org";
const now = new Date("2026-11-26T12:00:00Z");

describe("the certificate of an edge", async () => {
  const authority = await createEdgeAuthority(now);
  const good = await issueEdgeCertificate(authority, { domain, now });

  function reasonOf(files: { chain: string; key: string }, at = now): string {
    const checked = checkCertificate(files, domain, at);
    assert.ok(checked.kind === "bad");
    return checked.reason;
  }

  it("is served with its key when it is for all names under the domain, now", () => {
    const checked = checkCertificate(good, domain, now);
    assert.ok(checked.kind === "good", JSON.stringify(checked));
    assert.match(
      checked.pem,
      /^-----BEGIN CERTIFICATE-----[\s\S]+-----BEGIN PRIVATE KEY-----[\s\S]+-----END PRIVATE KEY-----\n$/,
    );
    assert.ok(checked.expiresAt > now);
    assert.match(checked.fingerprint, /^[0-9a-f]{64}$/);
  });

  it("is refused before and after its time, to the second", () => {
    assert.match(reasonOf(good, new Date("2026-11-01T00:00:00Z")), /not valid before 20/);
    assert.match(reasonOf(good, new Date("2027-11-26T00:00:00Z")), /expired at 20/);
  });

  it("is refused when it is another domain's, or the domain's alone", async () => {
    assert.match(
      reasonOf(await issueEdgeCertificate(authority, { domain: "example.org", now })),
      /^the certificate is not for \*\.redis\.example\.org, but for DNS:\*\.example\.org$/,
    );
    assert.match(reasonOf(await issueEdgeCertificate(authority, { domain, now, names: [domain] })), /is not for/);
  });

  it("is refused with another's key, with none, and in the wrong file", async () => {
    const other = await issueEdgeCertificate(authority, { domain, now });
    assert.match(reasonOf({ chain: good.chain, key: other.key }), /^the key is another certificate's$/);
    assert.match(reasonOf({ chain: good.chain, key: "" }), /^the key cannot be read/);
    assert.match(reasonOf({ chain: good.key, key: good.chain }), /has no certificate in it/);
    assert.match(reasonOf({ chain: good.chain.slice(0, 200), key: good.key }), /has no certificate in it/);
    const torn = good.chain.slice(0, 130) + good.chain.slice(330);
    assert.match(reasonOf({ chain: torn, key: good.key }), /cannot be read/);
  });

  it("is refused with a chain that does not lead on from it", async () => {
    const stranger = await createEdgeAuthority(now);
    assert.match(
      reasonOf({ chain: `${good.chain}\n${stranger.ca}`, key: good.key }),
      /^certificate \d of the file has not issued/,
    );
    assert.equal(
      checkCertificate({ chain: `${good.chain}\n${authority.ca}`, key: good.key }, domain, now).kind,
      "good",
    );
  });
});
