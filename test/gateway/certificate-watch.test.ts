import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PlaneFault } from "../../apps/core/edge/plane-fault.ts";
import type { Happening } from "../../apps/core/events/event.ts";
import { readGoodCertificate, watchCertificate, type GoodCertificate } from "../../apps/gateway/certificate-watch.ts";
import { createEdgeAuthority, issueEdgeCertificate } from "../../infra/pki/edge-certificate.ts";

const domain = "redis.example.org";
const start = new Date("2026-11-26T12:00:00Z");
const DAY = 86_400_000;

describe("following the certificate of an edge", async () => {
  const authority = await createEdgeAuthority(start);
  const issue = (now: Date) => issueEdgeCertificate(authority, { domain, now });

  async function bed() {
    let now = start;
    let files = await issue(start);
    const served: GoodCertificate[] = [];
    const notes: Happening[] = [];
    let planeFault: Error | undefined;
    const ports = {
      readFiles: () => Promise.resolve(files),
      serve: (next: GoodCertificate) => {
        if (planeFault) return Promise.reject(planeFault);
        served.push(next);
        return Promise.resolve();
      },
      note: (happening: Happening) => {
        notes.push(happening);
        return Promise.resolve();
      },
      clock: () => now,
    };
    const look = watchCertificate(ports, domain, await readGoodCertificate(ports, domain));
    return {
      ports,
      look,
      served,
      notes,
      put: (next: typeof files) => (files = next),
      pass: (ms: number) => (now = new Date(now.getTime() + ms)),
      failPlane: (fault: Error | undefined) => (planeFault = fault),
      kinds: () => notes.map(({ kind }) => kind),
    };
  }

  it("does nothing while it stays the same", async () => {
    const { look, served, notes } = await bed();
    await look();
    await look();
    assert.deepEqual([served, notes], [[], []]);
  });

  it("serves a renewed one, once", async () => {
    const { look, served, put, kinds } = await bed();
    put(await issue(start));
    await look();
    await look();
    assert.equal(served.length, 1);
    assert.deepEqual(kinds(), ["certificate"]);
  });

  it("serves no bad one, tells why once a minute, and serves the next good one", async () => {
    const { look, served, put, notes, pass, kinds } = await bed();
    put(await issueEdgeCertificate(authority, { domain: "other.example.org", now: start }));
    for (let second = 0; second < 90; second++) {
      await look();
      pass(1_000);
    }
    assert.deepEqual(served, []);
    assert.deepEqual(kinds(), ["certificate-refused", "certificate-refused"]);
    assert.match(
      notes[0]?.reason ?? "",
      /the one before is served on: the certificate is not for \*\.redis\.example\.org/,
    );
    assert.ok(notes[0]?.alarm);
    put(await issue(start));
    await look();
    assert.equal(served.length, 1);
  });

  it("tries again to serve one that the plane has not taken on", async () => {
    const { look, served, put, failPlane, kinds } = await bed();
    put(await issue(start));
    failPlane(new PlaneFault("HAProxy refuses its configuration"));
    await look();
    assert.deepEqual([served.length, kinds()], [0, ["certificate-refused"]]);
    failPlane(undefined);
    await look();
    assert.equal(served.length, 1);
  });

  it("raises an alarm when it is about to expire, and when it has", async () => {
    const { look, pass, kinds, notes } = await bed();
    pass(79 * DAY);
    await look();
    assert.deepEqual(kinds(), []);
    pass(2 * DAY);
    await look();
    assert.deepEqual(kinds(), ["certificate-expiring"]);
    assert.match(notes[0]?.reason ?? "", /expires within 10 days/);
    pass(20 * DAY);
    await look();
    assert.equal(kinds()[1], "certificate-refused");
  });

  it("begins with no bad one, and says why", async () => {
    const { ports, put, pass } = await bed();
    pass(200 * DAY);
    await assert.rejects(readGoodCertificate(ports, domain), /^Error: the certificate has expired at/);
    put({ chain: "", key: "" });
    await assert.rejects(readGoodCertificate(ports, domain), /no certificate in it/);
  });
});
