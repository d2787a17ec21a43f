import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { createTwinApi } from "../bed/twin-api.ts";

const facts = {
  OPERATOR_NAME: "Ada & Co",
  CONTACT: "abuse@example.org",
  TERMS_URL: "https://example.org/terms?a=1&b=2",
  PRIVACY_URL: "https://example.org/privacy",
  SOURCE_URL: "https://example.org/source",
};

describe("what the homepage says beside its button and of its limits", () => {
  const read = async (env: Readonly<Record<string, string>>, use = false) => {
    await using api = await open(env);
    if (use) await api.call("/instances", { method: "POST" });
    const page = await (await api.call("/", { headers: { accept: "text/html" } })).text();
    return { facts: /<p class="facts">([^]*?)<\/p>/.exec(page)?.[1]?.replaceAll(/\s+/g, " "), page };
  };

  it("is what runs in instances, once that is known, and that it is for tests", async () => {
    assert.equal((await read({})).facts, "For tests: connections are not encrypted.");
    assert.equal((await read({}, true)).facts, "Redis 7.0.15. For tests: connections are not encrypted.");
  });

  it("is the region where there are droplets", async () => {
    const fleet = { DIGITALOCEAN_TOKEN: "a-token-of-the-cloud", DROPLET_REGION: "ams3" };
    assert.equal((await read(fleet)).facts, "In region ams3. For tests: connections are not encrypted.");
    assert.match((await read(fleet, true)).facts ?? "", /^Redis 7\.0\.15, in region ams3\. For tests/);
  });

  it("is what is kept of visitors, and for how long", async () => {
    const { page } = await read({ HISTORY_DAYS: "20", ACCESS_RECORD_DAYS: "3" });
    assert.match(
      page,
      /<dt>What is kept<\/dt><dd>The IP address that got an instance is erased 3 days after[^<]*20 days/,
    );
  });
});

describe("who runs the service", () => {
  it("stands at the foot of the page, in the API's reference, and in refusals that only they can undo", async () => {
    await using api = await open({ ...facts, QUOTA_PER_ADDRESS: "1" });
    const page = await (await api.call("/", { headers: { accept: "text/html" } })).text();
    const [foot = ""] = /<footer[^]*<\/footer>/.exec(page) ?? [];
    assert.match(foot, /Run by Ada &amp; Co\./);
    assert.deepEqual(
      [...foot.matchAll(/href="([^"]*)"/g)].map(([, href]) => href),
      ["mailto:abuse@example.org", facts.TERMS_URL.replace("&", "&amp;"), facts.PRIVACY_URL, facts.SOURCE_URL],
    );

    const { info, externalDocs } = (await (await api.call("/docs/json")).json()) as {
      info: { contact: object; termsOfService: string; description: string };
      externalDocs: { url: string };
    };
    assert.deepEqual(info.contact, { name: facts.OPERATOR_NAME, email: facts.CONTACT });
    assert.equal(info.termsOfService, facts.TERMS_URL);
    assert.match(info.description, /https:\/\/example\.org\/privacy/);
    assert.equal(externalDocs.url, facts.SOURCE_URL);

    await api.call("/instances", { method: "POST" });
    const refused = await api.call("/instances", { method: "POST" });
    const { type, contact } = (await refused.json()) as { type: string; contact: string };
    assert.deepEqual([type, contact], ["urn:getaredis:quota-exceeded", facts.CONTACT]);
    const { store, clock } = api.service;
    await store.blocks.add({ address: "127.0.0.0/8", reason: "", until: null, by: null }, clock());
    for (const [accept, path, pattern] of [
      ["*/*", "/instances", /"contact": "abuse@example\.org"/],
      ["text/plain", "/instances", /^This IP address has been blocked\. .* Contact: abuse@example\.org\n$/],
      ["*/*", "/instances?format=env", /^# This IP address has been blocked\. .* Contact: abuse@example\.org\n$/],
    ] as const)
      assert.match(await (await api.call(path, { method: "POST", headers: { accept } })).text(), pattern);
    assert.doesNotMatch(await (await api.call("/nothing")).text(), /contact/, "the operator cannot help there");
  });

  it("is told to the holder of an instance that the operator or a rule has ended, and to no other", async () => {
    await using api = await open(facts);
    const answers = [];
    for (const cause of ["owner", "operator", "misuse"] as const) {
      const { id, token } = (await (await api.call("/instances", { method: "POST" })).json()) as Handout;
      await api.service.store.leases.beginEnd(id, cause, api.service.clock());
      const answer = await api.call(`/instances/${id}`, { headers: { authorization: `Bearer ${token}` } });
      const { endCause, contact } = (await answer.json()) as { endCause: string; contact?: string };
      answers.push([endCause, contact]);
    }
    assert.deepEqual(answers, [
      ["owner", undefined],
      ["operator", facts.CONTACT],
      ["misuse", facts.CONTACT],
    ]);
  });

  it("is told nowhere while it is not set, and by the name alone without a contact", async () => {
    await using api = await open({});
    assert.doesNotMatch(await (await api.call("/", { headers: { accept: "text/html" } })).text(), /<footer/);
    const { info } = (await (await api.call("/docs/json")).json()) as { info: object };
    assert.deepEqual(Object.keys(info), ["title", "version", "license", "description"]);
    const { store, clock } = api.service;
    await store.blocks.add({ address: "127.0.0.1", reason: "", until: null, by: null }, clock());
    const refusal = (await (await api.call("/instances", { method: "POST" })).json()) as object;
    assert.deepEqual(Object.keys(refusal), ["type", "title", "status", "detail"]);

    await using named = await open({ OPERATOR_NAME: "Ada", CONTACT: "https://example.org/contact" });
    const page = await (await named.call("/", { headers: { accept: "text/html" } })).text();
    assert.match(page, /<a href="https:\/\/example\.org\/contact" rel="noopener">Contact<\/a>/);
  });
});

async function open(env: Readonly<Record<string, string>>) {
  const api = await createTwinApi({ env });
  return {
    ...api,
    [Symbol.asyncDispose]: async () => {
      await api.close();
    },
  };
}
