import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createSharedAddress } from "../../../apps/adapters/nftables/shared-address.ts";
import { shareOf, type ShareHistory } from "../../../apps/core/ports/shared-address.ts";
import { until } from "../../bed/until.ts";
import { openSpaces, type SpaceClient, type Spaces } from "../../bed/spaces.ts";

const ADDRESS = "10.77.0.100";
const PORT = 6379;
const SIZE = 251;
const NAMES = ["1", "2", "3"] as const;
type Name = (typeof NAMES)[number];

/** Three gateways and a client on one network, each in a namespace of its own. */
describe("an address that gateways share", () => {
  const histories = new Map<Name, ShareHistory>();
  let spaces: Spaces;
  let client: SpaceClient;
  before(async () => {
    spaces = await openSpaces("switch", "client", ...NAMES);
    await spaces.join("net", "eth0", {
      client: "10.77.0.9/24",
      ...Object.fromEntries(NAMES.map((name) => [name, `10.77.0.${name}/24`])),
    });
    for (const name of NAMES) await spaces.serve(name, PORT);
    client = spaces.client("client", ADDRESS, PORT);
  });
  after(() => spaces.close());

  const sharedBy = (name: Name, lifeMs = 600_000) =>
    createSharedAddress({ address: ADDRESS, device: "eth0" }, lifeMs, (command, args, input = "") =>
      spaces.runWith(name, command, args, input),
    );
  /** Tells gateways who lives. */
  const live = async (peers: readonly Name[]) => {
    for (const name of peers) {
      const { share, history } = shareOf(name, { taking: peers, living: peers }, SIZE, histories.get(name));
      histories.set(name, history);
      await sharedBy(name).set(share);
    }
  };
  const met = (answers: readonly string[]) => [...new Set(answers)].sort();

  it("answers each connection once, all gateways their share of them", async () => {
    await live(NAMES);
    assert.deepEqual(met(await client.connect(90)), [...NAMES]);
  });

  it("leaves open connections alone when another gateway dies, tells the clients of that one, and goes on", async () => {
    assert.deepEqual(met(await client.keep(60)), [...NAMES]);
    await spaces.run("3", "ip", "link", "set", "eth0", "down");
    await live(["1", "2"]);
    assert.deepEqual(met(await client.connect(60)), ["1", "2"]);
    const answers = await client.ask();
    for (const [before, now] of answers) if (before !== "3") assert.equal(now, before);
    const ofTheDead = answers.filter(([before]) => before === "3");
    const told = ofTheDead.filter(([, now]) => now === "ECONNRESET" || now === "closed");
    // Some buckets go by way of a third: there, nobody knows whose a connection was.
    assert.ok(told.length > ofTheDead.length / 2, JSON.stringify(ofTheDead));
  });

  it("leaves open connections alone when a gateway joins", async () => {
    await spaces.run("3", "ip", "link", "set", "eth0", "up");
    histories.delete("3");
    await live(NAMES);
    assert.deepEqual(met(await client.connect(90)), [...NAMES]);
    const others = (await client.ask()).filter(([before]) => before !== "3");
    assert.ok(others.length > 0);
    for (const [before, now] of others) assert.equal(now, before);
  });

  it("takes no new connection, and keeps those it has, when the program that shares it is gone", async () => {
    const { share } = shareOf("1", { taking: ["1"], living: ["1"] }, SIZE, undefined);
    for (const name of ["2", "3"] as const) await sharedBy(name).clear();
    await sharedBy("1").set(share);
    assert.deepEqual(met(await client.connect(5)), ["1"]);
    await sharedBy("1", 1000).renew();
    const living = () => spaces.run("1", "nft", "list", "set", "inet", "getaredis_shared", "living");
    await until("its life has ended", async () => !(await living()).includes("elements"));
    assert.deepEqual(met(await client.connect(1)), ["silence"]);
    for (const [before, now] of await client.ask()) if (before === "1") assert.equal(now, "1");
    await sharedBy("1").renew();
    assert.deepEqual(met(await client.connect(5)), ["1"]);
  });

  it("can be set again, and leaves nothing behind when it is cleared", async () => {
    await live(NAMES);
    for (const name of NAMES) {
      await sharedBy(name).clear();
      assert.equal(await spaces.run(name, "nft", "list", "ruleset"), "");
      assert.ok(!(await spaces.run(name, "ip", "address", "show")).includes(ADDRESS));
      assert.doesNotMatch(await spaces.run(name, "ip", "maddress", "show"), /link +03:/);
      await sharedBy(name).clear();
    }
  });

  it("refuses a place that is none", () => {
    const run = () => Promise.resolve("");
    for (const place of [
      { address: "10.0.0.1; flush ruleset", device: "eth0" },
      { address: "::1", device: "eth0" },
      { address: "10.0.0.1", device: "eth0 down" },
      { address: "10.0.0.1", device: "" },
    ])
      assert.throws(() => createSharedAddress(place, 1000, run), /is no/);
  });
});
