import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";

describe("the API behind an edge", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      env: { EDGE_DOMAIN: "redis.example.org", EDGE_PORT: "6380", QUOTA_PER_ADDRESS: "40" },
    });
  });
  after(() => api.close());

  const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
  const created = async () => (await (await api.call("/instances", { method: "POST" })).json()) as Handout;
  const urlOf = ({ id, password }: Handout) => `rediss://default:${password}@${id}.redis.example.org:6380`;

  it("hands out the edge's address as JSON, as a URL, as a line of settings, and in Markdown", async () => {
    const handout = await created();
    assert.equal(handout.host, `${handout.id}.redis.example.org`);
    assert.equal(handout.port, 6380);
    assert.equal(handout.url, urlOf(handout));
    const form = /^rediss:\/\/default:([0-9a-z]{16})\w{32}@\1\.redis\.example\.org:6380$/m;
    const textOf = async (path: string, accept: string) =>
      (await api.call(path, { method: "POST", headers: { accept } })).text();
    assert.match(await textOf("/instances", "text/plain"), form);
    assert.match((await textOf("/instances?format=env", "*/*")).replace("REDIS_URL=", ""), form);
    assert.match(await textOf("/instances", "text/markdown"), /rediss:\/\/default:\w+@\w+\.redis\.example\.org:6380/);
  });

  it("shows it to the holder and to the operator, and never the host's", async () => {
    const handout = await created();
    for (const [path, secret] of [
      [`/instances/${handout.id}`, handout.token],
      [`/ops/api/instances/${handout.id}`, api.opsToken],
    ] as const) {
      const shown = (await (await api.call(path, { headers: bearer(secret) })).json()) as Handout;
      assert.deepEqual([shown.host, shown.port], [handout.host, handout.port], path);
    }
  });

  it("finds an instance by its address at the edge, in capitals too", async () => {
    const { host, port, id, password } = await created();
    for (const name of [`${host}:${port}`, `${host.toUpperCase()}:${port}`]) {
      const response = await api.call(`/instances/${name}`, { headers: bearer(password) });
      assert.equal(((await response.json()) as Handout).id, id);
    }
    assert.equal((await api.call(`/instances/${host}:6379`, { headers: bearer(password) })).status, 404);
    const other = `0000000000000000.redis.example.org:${port}`;
    assert.equal((await api.call(`/instances/${other}`, { headers: bearer(password) })).status, 404);
  });

  it("shows it on the page that a browser gets, in its snippets too", async () => {
    const headers = { accept: "text/html", "sec-fetch-site": "same-origin" };
    const answer = await api.call("/instances", { method: "POST", body: new URLSearchParams(), headers });
    const cookie = answer.headers.get("set-cookie")?.split(";", 1)[0] ?? "";
    const page = await (
      await api.call(answer.headers.get("location") ?? "", { headers: { ...headers, cookie } })
    ).text();
    assert.match(page, /rediss:\/\/default:(\w{16})\w{32}@\1\.redis\.example\.org:6380/);
    assert.match(page, /<dt>Encryption<\/dt><dd>of connections, by TLS\./);
    assert.doesNotMatch(page, /No encryption|not encrypted/);
    assert.match(await (await api.call("/", { headers: { accept: "text/markdown" } })).text(), /Encrypted by TLS/);
  });
});
