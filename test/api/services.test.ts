import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { addressAt } from "../../apps/core/balance/address.ts";
import { plainMember } from "../../apps/core/balance/service.ts";
import { createTwinGateways, gateway } from "../../apps/twins/gateways.ts";
import { createVirtualTime } from "../../apps/twins/time.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

type Service = {
  name: string;
  policy: string;
  probe: { kind: string; path?: string };
  poolKey: string | null;
  members: { address: string; weight: number; zone: string | null; draining: boolean; gateways: object[] }[];
  refused: string[];
};

describe("services over the API", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      env: {
        SERVICE_ZONES: "fra=10.1.0.0/16,ams=10.2.0.0/16",
        SERVICE_MAX_MEMBERS: "3",
        EDGE_DOMAIN: "redis.example.org",
        EDGE_PORT: "6379",
        EDGE_PLAIN_PORT: "6380",
      },
    });
  });
  after(() => api.close());
  afterEach(() => {
    const { services, announcers, events } = api.service.tables;
    services.clear();
    announcers.clear();
    events.splice(0);
    api.balance.restart();
  });

  const call = (path: string, method = "GET", body?: object) =>
    api.call(`/ops/api/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${api.opsToken}`,
        ...(body && { "content-type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  const web = { name: "web", port: 443, protocol: "http", names: ["www.example.org"] };
  const declare = (over: object = {}) => call("services", "POST", { ...web, ...over });
  const json = async (answer: Promise<Response>) => (await (await answer).json()) as Service;
  const refusal = async (answer: Promise<Response>, status = 409) =>
    assertProblem(await answer, status, status === 409 ? "not-possible-here" : "invalid-request");

  it("are declared, given members, changed and removed, and each act is an event with the operator's name", async () => {
    const declared = await declare({ probe: { kind: "http", path: "/up" } });
    assert.equal(declared.status, 201);
    assert.deepEqual(await declared.json(), {
      ...web,
      policy: "round-robin",
      probe: { kind: "http", path: "/up" },
      poolKey: null,
      members: [],
      refused: [],
      ...{ kind: "declared", state: "not-carried", connections: 0 },
    });
    await call("services/web/members/10.1.0.5:8080", "PUT", { weight: 3, zone: "fra" });
    const { members } = await json(call("services/web/members/[fd00::5]:8080", "PUT", { draining: true }));
    assert.deepEqual(members, [
      { address: "10.1.0.5:8080", weight: 3, zone: "fra", draining: false, gateways: [] },
      { address: "[fd00::5]:8080", weight: 1, zone: null, draining: true, gateways: [] },
    ]);
    const changed = await json(call("services/web", "PATCH", { policy: "location", probe: { kind: "tcp" } }));
    assert.deepEqual([changed.policy, changed.probe], ["location", { kind: "tcp" }]);
    assert.equal((await call("services/web/members/10.1.0.5:8080", "DELETE")).status, 204);
    assert.equal((await call("services/web/members/10.1.0.5:8080", "DELETE")).status, 404);
    assert.equal((await call("services/web", "DELETE")).status, 204);
    assert.equal((await call("services/web", "DELETE")).status, 404);
    assert.equal((await call("services/web", "PATCH", { policy: "location" })).status, 404);
    assert.equal((await call("services/web/members/10.1.0.5:8080", "PUT", {})).status, 404);
    assert.deepEqual(await (await call("services")).json(), []);
    const events = await api.service.store.events.list({}, 20);
    assert.deepEqual(events.map(({ kind }) => kind).reverse(), [
      "add-service",
      "change-service",
      "change-service",
      "change-service",
      "change-service",
      "remove-service",
    ]);
    assert.deepEqual(new Set(events.map(({ by }) => by)), new Set(["admin"]));
  });

  it("tell how each gateway sees each member, also of applications that hosts announce", async () => {
    const time = createVirtualTime(new Date(0));
    const seen = createTwinGateways({ clock: time.clock });
    const routes = {
      ...{ untilCarried: () => Promise.resolve(), untilGone: () => Promise.resolve(true) },
      ...{ refresh: () => Promise.resolve(), isServed: () => true, trace: () => Promise.resolve([]) },
      list: seen.membership.list,
    };
    const own = await createTwinApi({ edge: routes, serviceReports: seen.services });
    const list = async () => {
      const answer = await own.call("/ops/api/services", { headers: { authorization: `Bearer ${own.opsToken}` } });
      return (await answer.json()) as (Service & { state: string })[];
    };
    try {
      await own.service.store.services.add(
        { ...web, protocol: "http", policy: "round-robin", probe: { kind: "tcp" }, poolKey: null },
        new Date(0),
      );
      const member = plainMember(addressAt("10.1.0.5", 8080));
      await own.service.store.services.putMember("web", member, 10);
      const address = member.address.text;
      await seen.membership.join(gateway("gw-1"), 1_000);
      assert.deepEqual((await list())[0]?.state, "unknown", "gw-1 has told nothing so far");
      const told = { state: "retired" as const, fault: "it refuses", sessions: 3 };
      const report = {
        ...{ ...web, protocol: "http" as const, up: 0, retired: 1, draining: 0, unknown: 0 },
        ...{ connections: 3, accepted: 9, bytesIn: 1, bytesOut: 2 },
        members: [{ address, ...told }],
      };
      const shop = { ...report, name: "shop:443:shop.example.org", names: ["shop.example.org"] };
      await seen.services.tell({ gateway: "gw-1", serviceCount: 2, services: [shop, report] }, 1_000);
      const members = [{ address, weight: 1, zone: null, draining: false, gateways: [{ gateway: "gw-1", ...told }] }];
      const common = { ...web, policy: "round-robin", probe: { kind: "tcp" }, poolKey: null, members, refused: [] };
      assert.deepEqual(await list(), [
        { ...common, kind: "declared", state: "down", connections: 3 },
        { ...common, name: shop.name, names: shop.names, kind: "announced", state: "down", connections: 3 },
      ]);
      time.pass(2_000);
      assert.deepEqual(
        (await list()).map((each) => [each.state, each.members[0]?.gateways]),
        [["not-carried", []]],
        "what gateways told ends with them",
      );
    } finally {
      await own.close();
    }
  });

  it("are refused, with the reason, where they cannot stand", async () => {
    await declare();
    assert.match(await refusal(declare()), /service web already/);
    assert.match(await refusal(declare({ name: "other" })), /www\.example\.org on port 443 belongs to the service web/);
    assert.match(await refusal(declare({ name: "other", protocol: "tcp", names: [] })), /belongs to the http service/);
    assert.match(await refusal(declare({ name: "t", port: 80, protocol: "tcp" })), /A tcp service has no names/);
    for (const port of [6379, 6380])
      assert.match(await refusal(declare({ name: "t", port, protocol: "tcp", names: [] })), /need for themselves/);
    for (const name of ["redis.example.org", "5sq9fsfr26iw58ze.redis.example.org"])
      assert.match(await refusal(declare({ name: "t", names: [name] })), /belongs to this service itself/);
    for (const name of ["*.example.org", "a b", "a.example.org\n}", "10.0.0.1", "A.example.org"])
      assert.match(await refusal(declare({ name: "t", names: [name] })), /must be a domain in full/);
    assert.match(
      await refusal(declare({ name: "t", port: 7000, policy: "location", poolKey: "serverPool" })),
      /have no zones/,
    );
    for (const over of [
      { name: "UPPER" },
      { port: 0 },
      { protocol: "udp" },
      { policy: "random" },
      { poolKey: "host:gar-1" },
      { probe: { kind: "http", path: "/a b" } },
      { more: 1 },
    ])
      await refusal(declare({ name: "t", ...over }), 400);
  });

  it("take no member that is none, in a zone that is none, or one too many", async () => {
    await declare();
    const put = (address: string, body: object = {}) =>
      call(`services/web/members/${encodeURIComponent(address)}`, "PUT", body);
    for (const address of ["rubbish", "10.0.0.5", "0.0.0.0:80", "169.254.169.254:80", "redis.example.org:80"])
      assert.match(await refusal(put(address)), /is (no|a) /, address);
    assert.match(await refusal(put("10.0.0.1:80", { zone: "lon" })), /There is no zone "lon"/);
    for (const last of [1, 2, 3]) assert.equal((await put(`10.0.0.${last}:80`)).status, 200);
    assert.match(await refusal(put("10.0.0.4:80")), /the 3 members that it may have/);
    assert.equal((await put("10.0.0.3:80", { weight: 256 })).status, 200);
    await refusal(put("10.0.0.3:80", { weight: 257 }), 400);
  });

  it("with a pool in Redis show and change what stands in its key, with what is wrong in it", async () => {
    await declare({ name: "pool", port: 7000, protocol: "tcp", names: [], poolKey: "serverPool" });
    assert.deepEqual((await json(call("services/pool/members/10.0.0.1:80", "PUT", {}))).members.length, 1);
    assert.equal(await api.balance.pools.read("serverPool"), '["10.0.0.1:80"]');
    api.balance.setPool("serverPool", '["10.0.0.1:80","rubbish"]');
    const [service] = (await (await call("services")).json()) as Service[];
    assert.deepEqual(
      service?.members.map(({ address }) => address),
      ["10.0.0.1:80"],
    );
    assert.match(service.refused.join(), /"rubbish" is no address/);
    assert.match(await refusal(call("services/pool/members/10.0.0.2:80", "PUT", { weight: 2 })), /neither weight/);
    assert.equal((await call("services/pool/members/rubbish", "DELETE")).status, 204);
    assert.equal((await call("services/pool/members/10.0.0.1:80", "DELETE")).status, 204);
    assert.equal(await api.balance.pools.read("serverPool"), "[]");
    api.balance.setPool("serverPool", "{");
    const [broken] = (await (await call("services")).json()) as Service[];
    assert.deepEqual([broken?.members, broken?.refused], [[], ["serverPool: it is no JSON"]]);
  });

  it("are announced by those who may: their password is told once, and is another one after it was revoked", async () => {
    const add = async (body: object) =>
      (await (await call("announcers", "POST", body)).json()) as { user: string; password: string; key: string };
    const first = await add({ name: "web-1", applications: ["shop"] });
    assert.deepEqual([first.user, first.key], ["getaredis-app-web-1", "app:web-1"]);
    assert.match(first.password, /^[\w-]{32}$/);
    assert.deepEqual([...api.balance.granted()], ["web-1"]);
    const list = await (await call("announcers")).text();
    assert.match(list, /"shop"/);
    assert.ok(!list.includes(first.password));
    assert.match(await refusal(call("announcers", "POST", { name: "web-1" })), /announcer web-1 already/);
    await refusal(call("announcers", "POST", { name: "web:1" }), 400);
    assert.equal((await call("announcers/web-1", "DELETE")).status, 204);
    assert.equal((await call("announcers/web-1", "DELETE")).status, 404);
    assert.deepEqual([...api.balance.granted()], []);
    assert.notEqual((await add({ name: "web-1" })).password, first.password);
  });

  it("tell what hosts announce now, what is wrong with it, and who does not get what another one owns", async () => {
    for (const name of ["web-1", "web-2"]) await call("announcers", "POST", { name });
    const shop = { name: "shop", "listen-port": 443, "application-port": 8080, protocol: "http" };
    const announce = (host: string, address: string, ...applications: readonly object[]) =>
      api.balance.announce(host, JSON.stringify({ address, applications }), 30_000);
    announce("web-1", "10.0.0.1", { ...shop, domains: ["a.example.org"] }, { ...shop, name: "bad", domains: ["*"] });
    announce("web-2", "10.0.0.2", { ...shop, name: "blog", domains: ["a.example.org"] });
    announce("stranger", "10.0.0.3", { ...shop, domains: ["b.example.org"] });
    await api.balance.board.changeOwners([{ claim: "domain:a.example.org", from: null, to: "shop" }]);
    const told = { listenPort: 443, protocol: "http", domains: ["a.example.org"] };
    assert.deepEqual(await (await call("announcements")).json(), {
      hosts: [
        {
          host: "web-1",
          applications: [{ name: "shop", ...told, target: "10.0.0.1:8080" }],
          refused: [{ application: "bad", reason: 'domain "*" must be a domain in full, without a wildcard' }],
        },
        { host: "web-2", applications: [{ name: "blog", ...told, target: "10.0.0.2:8080" }], refused: [] },
      ],
      conflicts: [{ claim: "domain:a.example.org", owner: "shop", application: "blog", hosts: ["web-2"] }],
    });
  });
});
