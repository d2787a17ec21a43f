import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { createDigitalOceanCloud } from "../../../apps/adapters/digitalocean/index.ts";
import { startDigitalOcean, type LabCloud } from "../../../infra/lab/digitalocean/index.ts";
import { listenBetween } from "../../bed/between.ts";
import { openContract } from "../../contracts/openapi.ts";

const TOKEN = "dop_v1_0123456789abcdef";
const DOMAIN = "example.org";

/**
 * What DigitalOcean documents of domains and their records, in short; its own document takes this one's place
 * where DIGITALOCEAN_OPENAPI names one that has them.
 */
const inShort = (() => {
  const whole = { type: "integer" };
  const wholeOrNull = { type: "integer", nullable: true };
  const text = { type: "string" };
  const object = (properties: Record<string, object>, ...optional: readonly string[]) => ({
    type: "object",
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  });
  const limits = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
  const headers = Object.fromEntries(limits.map((name) => [name, { schema: whole }]));
  const json = (schema: object) => ({ content: { "application/json": { schema } } });
  const answer = (schema?: object) => ({ description: "", headers, ...(schema && json(schema)) });
  const query = (name: string, schema: object) => ({ name, in: "query", schema });
  const pages = [query("page", { ...whole, minimum: 1 }), query("per_page", { ...whole, minimum: 1, maximum: 200 })];
  const domain = object({ name: text, ttl: wholeOrNull, zone_file: { ...text, nullable: true } });
  const fields = {
    ...{ type: text, name: text, data: text, ttl: whole, priority: wholeOrNull, port: wholeOrNull },
    ...{ weight: wholeOrNull, flags: wholeOrNull, tag: { ...text, nullable: true } },
  };
  const record = object({ id: whole, ...fields });
  const asked = object(fields, "name", "data", "ttl", "priority", "port", "weight", "flags", "tag");
  const page = (key: string, items: object) =>
    object({
      [key]: { type: "array", items },
      links: { type: "object", properties: { pages: { type: "object", additionalProperties: text } } },
      meta: object({ total: whole }),
    });
  const failed = answer(object({ id: text, message: text, request_id: text }, "request_id"));
  const responses = (status: number, schema?: object) => ({ [status]: answer(schema), default: failed });
  return {
    openapi: "3.0.0",
    paths: {
      "/v2/domains": {
        get: { parameters: pages, responses: responses(200, page("domains", domain)) },
        post: {
          requestBody: { required: true, ...json(object({ name: text, ip_address: text }, "ip_address")) },
          responses: responses(201, object({ domain })),
        },
      },
      "/v2/domains/{domain_name}": {
        get: { responses: responses(200, object({ domain })) },
        delete: { responses: responses(204) },
      },
      "/v2/domains/{domain_name}/records": {
        get: {
          parameters: [...pages, query("name", text), query("type", text)],
          responses: responses(200, page("domain_records", record)),
        },
        post: {
          requestBody: { required: true, ...json(asked) },
          responses: responses(201, object({ domain_record: record })),
        },
      },
      "/v2/domains/{domain_name}/records/{domain_record_id}": {
        get: { responses: responses(200, object({ domain_record: record })) },
        put: { requestBody: json(asked), responses: responses(200, object({ domain_record: record })) },
        patch: { requestBody: json(asked), responses: responses(200, object({ domain_record: record })) },
        delete: { responses: responses(204) },
      },
    },
  };
})();

describe("the stand-in's domains, against what DigitalOcean documents", () => {
  let lab: LabCloud;
  let between: Awaited<ReturnType<typeof listenBetween>>;
  let contract: ReturnType<typeof openContract>;
  before(async () => {
    contract = openContract(await documented());
    lab = await startDigitalOcean({ token: TOKEN, domains: [DOMAIN] });
    between = await listenBetween(lab.url);
  });
  after(async () => {
    between.close();
    await lab.stop();
  });
  const ask = async (method: string, path: string, body?: unknown): Promise<number> => {
    const answer = await fetch(`${between.origin}/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.status;
  };
  const assertAgreed = (atLeast: number) => {
    const exchanges = between.exchanges.splice(0);
    assert.ok(exchanges.length >= atLeast, `${exchanges.length} exchanges`);
    assert.deepEqual(
      exchanges.flatMap((exchange) => contract.differences(exchange)),
      [],
    );
  };

  it("agree in all that the adapter asks and is answered", async () => {
    const cloud = createDigitalOceanCloud({ token: TOKEN, url: `${between.origin}/v2`, timeoutMs: 5_000 });
    const record = { type: "A", name: `*.redis.${DOMAIN}`, data: "203.0.113.1", ttlSeconds: 30 } as const;
    assert.deepEqual(await cloud.listDomains(), [DOMAIN]);
    for (let number = 1; number <= 205; number++)
      await cloud.createRecord(DOMAIN, { ...record, data: `203.0.113.${number}` });
    await cloud.createRecord(DOMAIN, { ...record, type: "TXT", name: DOMAIN, data: "getaredis=abc" });
    const records = await cloud.listRecords(DOMAIN);
    assert.equal(records.length, 206);
    const [first] = records;
    assert.ok(first);
    await cloud.setRecordTtl(DOMAIN, first, 60);
    await cloud.deleteRecord(DOMAIN, first.id);
    await cloud.deleteRecord(DOMAIN, first.id);
    await assert.rejects(cloud.createRecord(DOMAIN, { ...record, data: "nowhere" }));
    assertAgreed(212);
  });

  it("agree in the rest of what they answer", async () => {
    const statuses = [
      await ask("POST", "/domains", { name: "example.net", ip_address: "203.0.113.1" }),
      await ask("GET", "/domains/example.net"),
      await ask("GET", "/domains?per_page=1"),
      await ask("GET", "/domains/example.net/records?type=A&name=example.net"),
      await ask("DELETE", "/domains/example.net"),
      await ask("DELETE", "/domains/example.net"),
      await ask("POST", `/domains/${DOMAIN}/records`, { type: "SRV", name: "_a._tcp", data: "b", port: 1, weight: 2 }),
      await ask("PATCH", `/domains/${DOMAIN}/records/1`, { type: "A" }),
      await ask("POST", `/domains/${DOMAIN}/records`, { type: "A", name: "*", data: "203.0.113.1", ttl: 5 }),
    ];
    assert.deepEqual(statuses, [201, 200, 200, 200, 204, 404, 201, 404, 422]);
    assertAgreed(9);
  });

  it("would be found out, were an answer of another form", async () => {
    await ask("GET", `/domains/${DOMAIN}/records?per_page=1`);
    const [exchange] = between.exchanges.splice(0);
    assert.ok(exchange);
    const whole = JSON.parse(exchange.body) as { domain_records: object[] };
    for (const body of [
      { ...whole, domain_records: undefined },
      { ...whole, domain_records: [{ ...whole.domain_records[0], ttl: "30" }] },
    ])
      assert.ok(contract.differences({ ...exchange, body: JSON.stringify(body) }).length >= 1);
  });
});

async function documented(): Promise<object> {
  const path = process.env["DIGITALOCEAN_OPENAPI"];
  if (path === undefined) return inShort;
  const document = JSON.parse(await readFile(path, "utf8")) as { paths: Record<string, unknown> };
  return document.paths["/v2/domains"] === undefined ? inShort : document;
}
