import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { createCliBed } from "./bed.ts";

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
    assert.equal(await say("service", "list"), "No service is declared.\n");
    const names = ["--name", "www.example.org", "example.org"];
    const made = await say("service", "create", "web", "443", "--protocol", "http", ...names, "--probe", "http:/up");
    assert.equal(made, "web is carried on port 443 of all gateways.\n");
    const listed = await say("services", "list");
    assert.match(listed, /^NAME +PORT +PROTOCOL +NAMES +POLICY +PROBE +MEMBERS +REFUSED\n/);
    assert.match(listed, /^web +443 +http +\S+ \S+ +round-robin +http:\/up +0 +-$/m);
    const changed = await say("service", "change", "web", "--policy", "least-connections", "--probe", "tcp");
    assert.equal(changed, "web chooses by least-connections, and probes by tcp.\n");
    assert.match(await say("service", "show", "web"), /^policy +least-connections\nprobe +tcp\nmembers +0$/m);
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
      "ADDRESS        WEIGHT  ZONE  STATE\n" +
        "10.1.0.5:5432  3       fra   draining\n" +
        "10.2.0.5:5432  1       -     in use\n",
    );
    await say("pool", "undrain", "db", "10.1.0.5:5432");
    const [first] = await json<object[]>("pool", "list", "db");
    assert.deepEqual(first, { address: "10.1.0.5:5432", weight: 3, zone: "fra", draining: false });
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
      /^members +0, from serverPool in Redis\nrefused +Redis has no key serverPool$/m,
    );
    const { stdout, stderr } = await run("pool", "list", "seed");
    assert.deepEqual([stdout, stderr], ["seed has no member.\n", "Left out: Redis has no key serverPool.\n"]);
    await say("service", "remove", "seed");
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
