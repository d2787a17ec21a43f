import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { createTwinGateways, gateway } from "../../apps/twins/gateways.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import type { RedisPlace, Remote } from "../../apps/cli/remote/remote.ts";
import { createCliBed, type Given } from "./bed.ts";

describe("getaredis, for what gateways carry besides instances", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      env: { EDGE_DOMAIN: "redis.example.org", SERVICE_ZONES: "fra=10.1.0.0/16,ams=10.2.0.0/16" },
    });
  });
  after(() => api.close());

  let bed: ReturnType<typeof createCliBed>;
  beforeEach(() => (bed = createCliBed(api)));

  const run = (...args: string[]) => bed.run(args, { env: { GETAREDIS_OPS_TOKEN: api.opsToken } });
  const say = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const json = async <Value>(...args: string[]) => JSON.parse(await say("--json", ...args)) as Value;

  it("service creates one, changes how it chooses and probes, and removes it", async () => {
    assert.equal(await say("service", "list"), "No service is declared or announced.\n");
    const names = ["--name", "www.example.org", "example.org"];
    const made = await say("service", "create", "web", "443", "--protocol", "http", ...names, "--probe", "http:/up");
    assert.equal(made, "web is carried on port 443 of all gateways.\n");
    const listed = await say("services", "list");
    assert.match(listed, /^NAME +STATE +PORT +PROTOCOL +NAMES +POLICY +PROBE +MEMBERS +CONNECTIONS +REFUSED\n/);
    assert.match(listed, /^web +not-carried +443 +http +\S+ \S+ +round-robin +http:\/up +0 +0 +-$/m);
    const changed = await say("service", "change", "web", "--policy", "least-connections", "--probe", "tcp");
    assert.equal(changed, "web chooses by least-connections, and probes by tcp.\n");
    assert.match(
      await say("service", "show", "web"),
      /^policy +least-connections\nprobe +tcp\nmembers +0\nconnections +0$/m,
    );
    assert.equal((await run("service", "create", "web", "444")).code, 5);
    assert.equal((await run("service", "create", "other", "443")).code, 5);
    assert.equal((await run("service", "create", "other", "444", "--probe", "icmp")).code, 2);
    assert.equal((await run("service", "change", "web")).code, 2);
    assert.equal(await say("service", "remove", "web"), "web is carried no more.\n");
    for (const act of ["show", "remove"]) assert.equal((await run("service", act, "web")).code, 4);
  });

  it("pool adds members, drains one and takes it back as it was, and removes it", async () => {
    await say("service", "create", "db", "5432");
    assert.equal(await say("pool", "list", "db"), "db has no member.\n");
    assert.equal(
      await say("pool", "add", "db", "10.1.0.5:5432", "--weight", "3", "--zone", "fra"),
      "10.1.0.5:5432 is a member of db.\n",
    );
    await say("pool", "add", "db", "10.2.0.5:5432");
    assert.match(
      await say("pool", "drain", "db", "10.1.0.5:5432"),
      /gets no new connections of db; open ones go on\.$/m,
    );
    assert.equal(
      await say("pool", "list", "db"),
      "ADDRESS        WEIGHT  ZONE  STATE     CONNECTIONS  WHY\n" +
        "10.1.0.5:5432  3       fra   draining  0            -\n" +
        "10.2.0.5:5432  1       -     in use    0            -\n",
    );
    await say("pool", "undrain", "db", "10.1.0.5:5432");
    const [first] = await json<object[]>("pool", "list", "db");
    assert.deepEqual(first, { address: "10.1.0.5:5432", weight: 3, zone: "fra", draining: false, gateways: [] });
    assert.equal(await say("pool", "policy", "db", "location"), "db chooses by location.\n");
    assert.equal(await say("pool", "remove", "db", "10.1.0.5:5432"), "10.1.0.5:5432 is no member of db any more.\n");
    assert.equal((await run("pool", "drain", "db", "10.1.0.5:5432")).code, 4);
    assert.equal((await run("pool", "remove", "db", "10.1.0.5:5432")).code, 4);
    assert.equal((await run("pool", "add", "db", "rubbish")).code, 5);
    assert.equal((await run("pool", "add", "db", "10.2.0.6:5432", "--weight", "0")).code, 2);
    assert.equal((await run("pool", "list", "nothing")).code, 4);
    await say("service", "remove", "db");
  });

  it("service and pool tell members that are in Redis, and what is wrong with them there", async () => {
    await say("service", "create", "seed", "9000", "--pool-key", "serverPool");
    assert.match(
      await say("service", "show", "seed"),
      /^members +0, from serverPool in Redis\nconnections +0\nrefused +Redis has no key serverPool$/m,
    );
    const { stdout, stderr } = await run("pool", "list", "seed");
    assert.deepEqual([stdout, stderr], ["seed has no member.\n", "Left out: Redis has no key serverPool.\n"]);
    await say("service", "remove", "seed");
  });

  it("service and pool tell how gateways see members, each where they differ", async () => {
    const seen = createTwinGateways({ clock: () => new Date(0) });
    const edge = {
      ...{ untilCarried: () => Promise.resolve(), untilGone: () => Promise.resolve(true) },
      ...{ refresh: () => Promise.resolve(), isServed: () => true, trace: () => Promise.resolve([]) },
      list: seen.membership.list,
    };
    const own = await createTwinApi({ env: { EDGE_DOMAIN: "redis.example.org" }, edge, serviceReports: seen.services });
    try {
      bed = createCliBed(own);
      await say("service", "create", "db", "5432");
      await say("pool", "add", "db", "10.1.0.5:5432");
      const member = { address: "10.1.0.5:5432", sessions: 2 };
      const up = { ...member, state: "up" as const, fault: null };
      const retired = { ...member, state: "retired" as const, fault: "it refuses" };
      const db = { name: "db", port: 5432, protocol: "tcp" as const, names: [], draining: 0, unknown: 0 };
      const traffic = { connections: 2, accepted: 2, bytesIn: 0, bytesOut: 0 };
      for (const [name, counts, told] of [
        ["gw-1", { up: 1, retired: 0 }, up],
        ["gw-2", { up: 0, retired: 1 }, retired],
      ] as const) {
        await seen.membership.join(gateway(name), 10_000);
        const services = [{ ...db, ...traffic, ...counts, members: [told] }];
        await seen.services.tell({ gateway: name, serviceCount: 1, services }, 10_000);
      }
      assert.match(await say("service", "list"), /^db +down +5432 .* 1 +4 +-$/m);
      assert.match(
        await say("pool", "list", "db"),
        /^10\.1\.0\.5:5432 +1 +- +up on gw-1, retired on gw-2 +4 +it refuses$/m,
      );
    } finally {
      await own.close();
    }
  });

  describe("app announces what a host serves,", () => {
    const REDIS = "redis://10.0.0.2:6379";
    const shop = {
      name: "shop",
      "listen-port": 443,
      "application-port": 8080,
      protocol: "http",
      domains: ["a.example"],
    };
    const text = (...applications: object[]) => JSON.stringify({ address: "10.0.0.5", applications });
    /** Runs it with a Redis that answers so, and stops it by Ctrl-C when it has been asked so often. */
    async function announce(answers: readonly string[], ...args: string[]) {
      const said: (readonly string[])[] = [];
      const places: RedisPlace[] = [];
      const interruption = new AbortController();
      const env = { GETAREDIS_REDIS: REDIS, GETAREDIS_ANNOUNCER_PASSWORD: "secret" };
      const sayToRedis: Remote["sayToRedis"] = (place, [command = []]) => {
        places.push(place);
        said.push(command);
        if (said.length === answers.length) interruption.abort();
        const answer = answers[said.length - 1] ?? "+OK";
        return answer === "" ? Promise.reject(new Error("gone")) : Promise.resolve([answer]);
      };
      const ran = await bed.run(["app", "announce", "apps.json", "--name", "web-1", ...args], {
        env,
        remote: { sayToRedis },
        interrupted: interruption.signal,
      });
      return { ...ran, said, places };
    }

    it("again and again by its announcer's user, and leaves at the end", async () => {
      bed.files.set("apps.json", text(shop));
      const { code, stdout, said, places } = await announce(["+OK", "+OK", "+OK"]);
      assert.equal(code, 0);
      assert.equal(stdout, "web-1 announces what is in apps.json.\nweb-1 announces nothing more.\n");
      const set = ["SET", "app:web-1", text(shop), "EX", "30"];
      assert.deepEqual(said, [set, set, set, ["DEL", "app:web-1"]]);
      assert.deepEqual(places[0], { url: REDIS, user: "getaredis-app-web-1", password: "secret", timeoutMs: 5000 });
      assert.equal(bed.pauses[0], 10_000);
    });

    it("once where that is asked for, for as long as it is told", async () => {
      bed.files.set("apps.json", text(shop));
      const { code, said } = await announce([], "--once", "--life", "5m");
      assert.deepEqual([code, said], [0, [["SET", "app:web-1", text(shop), "EX", "300"]]]);
    });

    it("on while Redis is away for a moment, or its file is wrong, which it tells", async () => {
      bed.files.set("apps.json", text(shop));
      const away = await announce(["+OK", "", "+OK"]);
      assert.equal(away.code, 0);
      assert.match(away.stderr, /No answer from redis:\/\/10\.0\.0\.2:6379: gone\./);
      const original = bed.files.get.bind(bed.files);
      let reads = 0;
      bed.files.get = (path) => (path === "apps.json" && ++reads > 1 ? "{" : original(path));
      const wrong = await announce(["+OK", "+OK"]);
      assert.match(
        wrong.stderr,
        /What was announced before stays: What is in apps\.json cannot be announced: it is no JSON/,
      );
      assert.deepEqual(wrong.said[1], ["SET", "app:web-1", text(shop), "EX", "30"]);
    });

    it("not at all when it is wrong, nobody's, or refused", async () => {
      for (const [content, why] of [
        [text({ ...shop, domains: ["*.example"] }), /application shop: domain "\*\.example" must be a domain in full/],
        [text({ ...shop, "listen-port": 0 }), /listen-port must be a port/],
        [text(), /names no application/],
        ["[]", /it is no JSON object/],
      ] as const) {
        bed.files.set("apps.json", content);
        const { code, stderr, said } = await announce([]);
        assert.deepEqual([code, said], [2, []]);
        assert.match(stderr, why);
      }
      bed.files.set("apps.json", text(shop));
      const refused = await announce(["-WRONGPASS invalid username-password pair.", "+OK"]);
      assert.equal(refused.code, 3);
      assert.match(refused.stderr, /WRONGPASS .* Are name and password those of getaredis announcer create\?/);
      assert.equal((await announce(["", "+OK"])).code, 7);
      for (const args of [
        ["--redis", "redis://user:password@10.0.0.2"],
        ["--redis", "http://10.0.0.2"],
        ["--life", "1s"],
        ["--name", "no name"],
      ])
        assert.equal((await announce([], ...args)).code, 2, args.join(" "));
      const env = { GETAREDIS_REDIS: REDIS };
      assert.equal((await bed.run(["app", "announce", "apps.json", "--name", "web-1"], { env })).code, 3);
    });
  });

  it("app list tells what is announced, what is left out and why, and who owns what another one wants", async () => {
    assert.equal(await say("app", "list"), "No host announces an application.\n");
    const domains = ["shop.example.org"];
    const announced = {
      hosts: [
        {
          host: "web-1",
          applications: [{ name: "shop", listenPort: 443, protocol: "http", domains, target: "10.0.0.5:8080" }],
          refused: [{ application: "blog", reason: "listen-port 99 must be one of 443" }],
        },
        {
          host: "web-2",
          applications: [{ name: "copy", listenPort: 443, protocol: "http", domains, target: "10.0.0.6:8080" }],
          refused: [],
        },
      ],
      conflicts: [{ claim: "shop.example.org", owner: "shop", application: "copy", hosts: ["web-2"] }],
    };
    const fetch: Given["fetch"] = () => Promise.resolve(Response.json(announced));
    const { stdout } = await bed.run(["app", "list"], { fetch, env: { GETAREDIS_OPS_TOKEN: api.opsToken } });
    assert.match(stdout, /^web-1 +shop +443 http +shop\.example\.org +10\.0\.0\.5:8080 +served$/m);
    assert.match(stdout, /^web-1 +blog +- +- +- +left out: listen-port 99 must be one of 443$/m);
    assert.match(stdout, /^web-2 +copy .* shop\.example\.org is shop's$/m);
  });

  it("announcer lets a host announce, with a password that is shown once or saved, and takes that back", async () => {
    assert.equal(await say("announcer", "list"), "No host may announce applications.\n");
    const made = await say("announcer", "create", "web-1", "--app", "shop", "--save", "web-1.password");
    const password = (bed.files.get("web-1.password") ?? "").trim();
    assert.ok(password.length > 20 && !made.includes(password));
    assert.match(made, /^user +\S+app-web-1\nkey +app:web-1\npassword in +web-1\.password$/m);
    const { password: shown } = await json<{ password: string }>("announcer", "create", "web-2");
    assert.ok(shown.length > 20);
    const listed = await say("announcer", "list");
    assert.match(listed, /^web-1 +shop +\d+ s ago +admin\nweb-2 +any +\d+ s ago +admin$/m);
    assert.equal((await run("announcer", "create", "web-1")).code, 5);
    assert.equal(await say("announcer", "remove", "web-1"), "web-1 announces nothing more.\n");
    assert.equal((await run("announcer", "remove", "web-1")).code, 4);
  });
});
