import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { createConnection, type Connection, type RowDataPacket } from "mysql2/promise";
import { createLeadership } from "../../../apps/adapters/mysql/leadership.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import type { Store } from "../../../apps/core/store.ts";
import { migrate } from "../../../apps/adapters/mysql/migrations.ts";
import type { InstanceSearch } from "../../../apps/core/operator/instance-search.ts";
import { createDatabase, startServices, type Services } from "../../bed/services.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const hash = (text: string) => createHash("sha256").update(text).digest();

describe("what the store keeps for the operator", () => {
  let services: Services;
  before(async () => {
    services = await startServices();
  });
  after(() => services.stop());

  let url: string;
  let store: Store;
  let admin: Connection;
  beforeEach(async () => {
    url = await createDatabase(services.mysqlUrl);
    await migrate(url);
    admin = await createConnection({ uri: url, timezone: "Z" });
    store = createMysqlStore(url);
  });
  afterEach(async () => {
    await admin.end();
    await store.disconnect();
  });

  const rows = async (sql: string, values: unknown[] = []) => (await admin.query<RowDataPacket[]>(sql, values))[0];
  const addHost = (name: string, publicHost = "192.0.2.5") =>
    store.hosts.register(
      {
        name,
        engineUrl: "https://10.0.0.5:2376",
        publicHost,
        checkHost: "10.0.0.5",
        bindAddress: "0.0.0.0",
        capacity: 4,
        basePort: 20_000,
      },
      start,
    );
  const take = async (
    hostName: string,
    { address = "198.51.100.1", now = at(10), id = randomBytes(8).toString("hex") } = {},
  ) => {
    const draft = {
      id,
      address,
      tokenHash: hash("token"),
      createdAt: now,
      deadline: new Date(now.getTime() + 30_000),
      latestEnd: new Date(now.getTime() + 86_400_000),
    };
    const { kind } = await store.handouts.takeSlot(draft, hostName, 100, undefined);
    return { kind, id };
  };
  const lease = async (hostName: string, over: Parameters<typeof take>[1] & { seconds?: number } = {}) => {
    const { kind, id } = await take(hostName, over);
    assert.equal(kind, "taken");
    const now = over.now ?? at(10);
    assert.ok(
      await store.handouts.complete(id, new Date(now.getTime() + (over.seconds ?? 3600) * 1000), now, undefined),
    );
    return id;
  };

  describe("sessions", () => {
    it("hold until their end, for the token they began with, and end at once when ended", async () => {
      await store.logins.begin(hash("a"), hash("ops"), at(0), at(60));
      assert.equal(await store.logins.isOpen(hash("a"), hash("ops"), at(59)), true);
      assert.equal(await store.logins.isOpen(hash("a"), hash("ops"), at(60)), false);
      assert.equal(await store.logins.isOpen(hash("a"), hash("another token"), at(1)), false);
      assert.equal(await store.logins.isOpen(hash("b"), hash("ops"), at(1)), false);
      await store.logins.end(hash("a"));
      assert.equal(await store.logins.isOpen(hash("a"), hash("ops"), at(1)), false);
    });

    it("that are over are forgotten when another begins", async () => {
      await store.logins.begin(hash("a"), hash("ops"), at(0), at(60));
      await store.logins.begin(hash("b"), hash("ops"), at(61), at(100));
      assert.deepEqual(
        (await rows("SELECT session_hash FROM ops_sessions")).map((row) => row["session_hash"] as Buffer),
        [hash("b")],
      );
    });
  });

  describe("switches and blocks", () => {
    it("refuse hand-outs within their own transaction: to nobody's quota, slot or row", async () => {
      await addHost("a");
      assert.equal(await store.switches.set("handouts", true, at(1)), true);
      assert.equal((await take("a")).kind, "paused");
      assert.equal(await store.switches.set("handouts", true, at(2)), false, "it stood so");
      assert.equal(await store.switches.set("handouts", false, at(3)), true);
      await store.blocks.add("198.51.100.1", "mining", at(4));
      assert.equal((await take("a")).kind, "blocked");
      assert.equal((await take("a", { address: "198.51.100.2" })).kind, "taken");
      assert.equal((await rows("SELECT id FROM instances")).length, 1);
      assert.equal(await store.blocks.remove("198.51.100.1"), true);
      assert.equal(await store.blocks.remove("198.51.100.1"), false);
      assert.equal((await take("a")).kind, "taken");
    });

    it("give a retry its known answer all the same", async () => {
      await addHost("a");
      const claim = { keyHash: hash("key"), requestHash: hash("request") };
      const draft = {
        id: "a".repeat(16),
        address: "198.51.100.1",
        tokenHash: hash("t"),
        createdAt: at(0),
        deadline: at(30),
        latestEnd: at(86_400),
      };
      assert.equal((await store.handouts.takeSlot(draft, "a", 6, claim)).kind, "taken");
      await store.blocks.add("198.51.100.1", "", at(1));
      assert.equal((await store.handouts.takeSlot({ ...draft, id: "b".repeat(16) }, "a", 6, claim)).kind, "known");
    });

    it("are listed as they stand, blocks with the newest first; scaling pauses apart from hand-outs", async () => {
      assert.deepEqual(await store.switches.list(), [
        { name: "handouts", paused: false, changedAt: null },
        { name: "scaling", paused: false, changedAt: null },
      ]);
      await store.switches.set("scaling", true, at(5));
      assert.deepEqual(
        (await store.switches.list()).map(({ name, paused, changedAt }) => [name, paused, changedAt]),
        [
          ["handouts", false, null],
          ["scaling", true, at(5)],
        ],
      );
      await store.blocks.add("192.0.2.1", "first", at(1));
      await store.blocks.add("2001:db8::/64", "second", at(2));
      await store.blocks.add("192.0.2.1", "first, seen again", at(3));
      assert.deepEqual(await store.blocks.list(), [
        { address: "2001:db8::/64", reason: "second", blockedAt: at(2) },
        { address: "192.0.2.1", reason: "first, seen again", blockedAt: at(1) },
      ]);
    });
  });

  describe("hosts to be destroyed", () => {
    let term: number;
    let leadership: ReturnType<typeof createLeadership>;
    beforeEach(async () => {
      leadership = createLeadership(url, SCALING);
      term = (await leadership.term()) ?? assert.fail("nobody else leads");
    });
    afterEach(() => leadership.resign());

    const droplet = async (dropletId: number, joins = true) => {
      const name =
        (await store.droplets.addOrder(
          term,
          { namePrefix: "gar", region: "fra1", size: "small", tokenHash: hash("token"), cap: 10 },
          start,
        )) ?? assert.fail("an order");
      assert.ok(await store.droplets.adopt(name, dropletId, 0.02));
      if (joins)
        assert.ok(
          await store.droplets.admit(
            {
              name,
              engineUrl: "https://10.0.0.5:2376",
              publicHost: "192.0.2.5",
              checkHost: "10.0.0.5",
              bindAddress: "0.0.0.0",
              capacity: 4,
              basePort: 20_000,
            },
            at(5),
          ),
        );
      return name;
    };

    it("take nothing from then on, and are named to the leader until it has begun", async () => {
      const name = await droplet(7);
      assert.deepEqual(await store.destroyRequests.add(name, "none", at(20)), { kind: "requested" });
      assert.equal((await take(name)).kind, "host-closed");
      assert.equal(await store.hosts.setState(name, "active"), false, "no way back");
      assert.deepEqual([...(await store.destroyRequests.list())], [[name, "none"]]);
      assert.ok(await store.droplets.beginDestroy(term, name, "asked for", "none", at(21)));
      assert.deepEqual([...(await store.destroyRequests.list())], []);
    });

    it("are refused with leases, unless these shall be lost", async () => {
      const name = await droplet(7);
      await lease(name);
      assert.deepEqual(await store.destroyRequests.add(name, "none", at(20)), { kind: "leased", leases: 1 });
      assert.deepEqual([...(await store.destroyRequests.list())], []);
      assert.equal((await take(name)).kind, "taken", "a refusal closes nothing");
      assert.deepEqual(await store.destroyRequests.add(name, "lost", at(21)), { kind: "requested" });
      assert.deepEqual([...(await store.destroyRequests.list())], [[name, "lost"]]);
    });

    it("may be booting; may not be ours, unknown, or an order without a droplet", async () => {
      assert.deepEqual(await store.destroyRequests.add(await droplet(8, false), "none", at(20)), { kind: "requested" });
      await addHost("box");
      assert.deepEqual(await store.destroyRequests.add("box", "none", at(20)), { kind: "not-ours" });
      assert.deepEqual(await store.destroyRequests.add("nobody", "none", at(20)), { kind: "unknown" });
      const order =
        (await store.droplets.addOrder(
          term,
          { namePrefix: "gar", region: "fra1", size: "small", tokenHash: hash("x"), cap: 10 },
          start,
        )) ?? "";
      assert.deepEqual(await store.destroyRequests.add(order, "none", at(20)), { kind: "still-ordered" });
    });

    it("and hand-outs cannot pass each other: either the lease is seen, or the host is closed", async () => {
      for (let round = 0; round < 10; round++) {
        const name = await droplet(100 + round);
        const [doom, taken] = await Promise.all([store.destroyRequests.add(name, "none", at(20)), take(name)]);
        if (doom.kind === "requested") assert.equal(taken.kind, "host-closed");
        else assert.deepEqual([doom.kind, taken.kind], ["leased", "taken"]);
      }
    });
  });

  describe("alarms", () => {
    it("come in the order in which they were said last, however old their rows, and are cut from the other end", async () => {
      const say = (reason: string, alarm: boolean, seconds: number) =>
        store.events.add({ actor: "scale", kind: "hold", host: reason, reason, alarm }, at(seconds));
      await say("goes on", true, 0);
      await say("said once", true, 60);
      await say("no alarm", false, 70);
      await say("over", true, 5);
      await say("goes on", true, 80);
      const reasons = async (most: number) =>
        (await store.events.listAlarms(at(60), most)).map(({ reason, times }) => `${reason} ×${times}`);
      assert.deepEqual(await reasons(10), ["goes on ×2", "said once ×1"]);
      assert.deepEqual(await reasons(1), ["goes on ×2"]);
    });
  });

  describe("minutes", () => {
    it("are kept whole by each source, again and again", async () => {
      await store.figures.keepMinute(at(0), "one", { "handout.created": 1 });
      await store.figures.keepMinute(at(0), "one", { "handout.created": 2 });
      await store.figures.keepMinute(at(0), "two", { "handout.created": 5 });
      await store.figures.keepMinute(at(-60), "one", { leases: 1 });
      const kept = await store.figures.readMinutes(at(0));
      assert.deepEqual(kept.map(({ figures }) => figures["handout.created"]).sort(), [2, 5]);
      assert.ok(kept.every(({ minute }) => minute.getTime() === start.getTime()));
    });

    it("are known by the last one that a source has kept", async () => {
      assert.equal(await store.figures.lastMinute("one"), undefined);
      for (const [seconds, source] of [
        [60, "one"],
        [0, "one"],
        [120, "two"],
      ] as const)
        await store.figures.keepMinute(at(seconds), source, {});
      assert.deepEqual(
        [await store.figures.lastMinute("one"), await store.figures.lastMinute("two")],
        [at(60), at(120)],
      );
    });

    it("have their ends counted by cause, and are pruned with history", async () => {
      await addHost("a");
      const [one, two, three] = [await lease("a"), await lease("a"), await lease("a")];
      for (const [id, cause, ended] of [
        [one, "owner", 65],
        [two, "operator", 70],
        [three, "owner", 130],
      ] as const) {
        await store.leases.beginEnd(id, cause, at(ended));
        await store.leases.close(id, at(ended));
      }
      const ends = await store.figures.countEnds(at(0), at(180));
      assert.deepEqual(
        ends.map(({ minute, cause, ends: count }) => `${minute.getTime() - start.getTime()} ${cause} ${count}`).sort(),
        ["120000 owner 1", "60000 operator 1", "60000 owner 1"],
      );
      assert.deepEqual(await store.figures.countEnds(at(0), at(60)), []);
      await store.figures.keepMinute(at(0), "ends", { "end.owner": 1 });
      await store.history.prune(at(100_000));
      assert.deepEqual(await store.figures.readMinutes(at(0)), []);
    });
  });

  describe("the list of instances", () => {
    const any: InstanceSearch = { state: "all", order: "created", descending: true };
    const found = async (over: Partial<InstanceSearch>, most = 100) =>
      (await store.search.find({ ...any, ...over }, most)).map(({ id }) => id);

    it("is searched by id, holder, host and place, and narrowed by state and host", async () => {
      await addHost("alpha", "192.0.2.5");
      await addHost("beta_1", "2001:db8::5");
      const [a, b, c] = [
        await lease("alpha", { id: "aaaa000000000000" }),
        await lease("alpha", { id: "aabb000000000000", address: "203.0.113.77" }),
        await lease("beta_1", { id: "bbbb000000000000", address: "2001:db8:1:2::/64" }),
      ];
      assert.deepEqual(await found({ text: "aa", order: "created", descending: false }), [a, b]);
      assert.deepEqual(await found({ text: b }), [b]);
      assert.deepEqual(await found({ text: "203.0.113" }), [b]);
      assert.deepEqual(await found({ text: "2001:db8:1" }), [c]);
      assert.deepEqual(await found({ text: "eta" }), [c]);
      assert.deepEqual(await found({ text: "192.0.2.5:20001" }), [b]);
      assert.deepEqual(await found({ text: "[2001:db8::5]:20000" }), [c]);
      assert.deepEqual(await found({ text: "192.0.2.5:1" }), []);
      for (const text of ["%", "_", "\\", "'; DROP TABLE instances; --", "a%", "beta%1"])
        assert.deepEqual(await found({ text }), text === "_" ? [c] : [], text);
      assert.deepEqual(await found({ host: "beta_1" }), [c]);
      assert.deepEqual(await found({ host: "nobody" }), []);
      await store.leases.beginEnd(a, "owner", at(20));
      assert.deepEqual(await found({ state: "ending" }), [a]);
      assert.equal(await store.search.count({ ...any, state: "open" }), 3);
      await store.leases.close(a, at(21));
      assert.deepEqual(await found({ state: "open", descending: false }), [b, c]);
      assert.deepEqual([await store.search.count({ ...any, state: "ended" }), await store.search.count(any)], [1, 3]);
      assert.deepEqual((await store.search.findOne(b))?.handedOutAt, at(10));
      assert.equal(await store.search.findOne("c".repeat(16)), undefined);
    });

    it("finds by a whole address what this holder has, and nobody else: neither those it is the beginning of, nor the neighbour of an IPv6 /64", async () => {
      await addHost("alpha", "192.0.2.5");
      const [one, ten] = [
        await lease("alpha", { address: "198.51.100.1" }),
        await lease("alpha", { address: "198.51.100.10" }),
      ];
      const [six, neighbour] = [
        await lease("alpha", { address: "2001:db8:1:2::/64" }),
        await lease("alpha", { address: "2001:db8:1:20::/64" }),
      ];
      for (const text of ["198.51.100.1", "::ffff:198.51.100.1"]) assert.deepEqual(await found({ text }), [one], text);
      for (const text of [
        "2001:db8:1:2::/64",
        "2001:db8:1:2::1",
        "2001:DB8:1:2:ffff:0:0:1",
        "2001:0db8:0001:0002::/64",
        "2001:db8:1:2::9/64",
      ])
        assert.deepEqual(await found({ text }), [six], text);
      assert.deepEqual((await found({ text: "198.51.100." })).sort(), [one, ten].sort());
      assert.deepEqual((await found({ text: "2001:db8:1:2" })).sort(), [six, neighbour].sort());
      assert.deepEqual(await found({ text: "198.51.100.1/64" }), []);
    });

    it("comes in each order, both ways, page after page, without a gap or a repeat", async () => {
      for (const name of ["one", "two", "three"]) await addHost(name);
      for (let index = 0; index < 12; index++)
        await lease(["one", "two", "three"][index % 3] ?? "", {
          address: `198.51.100.${index % 4}`,
          now: at(Math.floor(index / 2)),
          seconds: 100 + (index % 5),
        });
      for (const order of ["created", "expires", "address", "host"] as const) {
        for (const descending of [true, false]) {
          const whole = await found({ order, descending });
          const paged: string[] = [];
          for (;;) {
            const page = await found({ order, descending, ...(paged.length > 0 && { after: paged.at(-1) ?? "" }) }, 5);
            paged.push(...page);
            if (page.length < 5) break;
          }
          assert.deepEqual(paged, whole, `${order} ${descending ? "down" : "up"}`);
          assert.equal(new Set(whole).size, 12);
        }
      }
      const [first] = await store.search.find({ ...any, order: "expires", descending: false }, 1);
      const all = await store.search.find(any, 100);
      assert.equal(first?.expiresAt.getTime(), Math.min(...all.map(({ expiresAt }) => expiresAt.getTime())));
    });

    it("of a hundred thousand is read by its keys: no page and no order looks at more rows than it shows, give or take", async (context) => {
      await addHost("alpha-1");
      const [host] = await rows("SELECT id FROM hosts");
      const hostId = host?.["id"] as number;
      await admin.query("SET SESSION max_recursive_iterations = 200000");
      await admin.query(
        `INSERT INTO instances (id, state, host_id, port, address, token_hash, created_at, handed_out_at, expires_at, latest_end, ended_at, end_cause)
         WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
         SELECT LPAD(CONV(i * 7919, 10, 36), 16, '0'), IF(i < 99000, 'ended', 'running'), ?, 20000, CONCAT('10.', i % 200, '.', i % 250, '.', i % 90), UNHEX(SHA2(i, 256)),
                ? + INTERVAL i SECOND, ? + INTERVAL i SECOND, ? + INTERVAL (i + 43200) SECOND, ? + INTERVAL (i + 86400) SECOND, IF(i < 99000, ? + INTERVAL i + 60 SECOND, NULL), IF(i < 99000, 'expired', NULL) FROM n`,
        [hostId, start, start, start, start, start],
      );
      await admin.query("ANALYZE TABLE instances");
      const times: string[] = [];
      const timed = async (what: string, work: () => Promise<unknown>) => {
        const began = performance.now();
        await work();
        times.push(`${what} ${(performance.now() - began).toFixed(1)} ms`);
      };
      const readBy = async (work: () => Promise<unknown>) => {
        const read = async () =>
          Number(
            (
              await rows(
                "SELECT SUM(VARIABLE_VALUE) AS count FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('HANDLER_READ_NEXT', 'HANDLER_READ_PREV', 'HANDLER_READ_RND_NEXT')",
              )
            )[0]?.["count"],
          );
        await admin.query("FLUSH STATUS");
        const before = await read();
        const idle = (await read()) - before;
        const began = await read();
        await work();
        return (await read()) - began - idle;
      };
      for (const order of ["created", "expires", "address", "host"] as const) {
        const page = await store.search.find({ ...any, order }, 50);
        const later = (await store.search.find({ ...any, order, after: page.at(-1)?.id }, 50)).at(-1)?.id;
        await timed(`page by ${order}`, () => store.search.find({ ...any, order, after: later }, 50));
        assert.ok(
          (await readBy(() => store.search.find({ ...any, order, after: later }, 50))) < 2000,
          `a page by ${order}`,
        );
      }
      await timed("open, newest first", () => store.search.find({ ...any, state: "open" }, 50));
      await timed("open, soonest end", () =>
        store.search.find({ ...any, state: "open", order: "expires", descending: false }, 50),
      );
      await timed("by id", () => store.search.find({ ...any, text: "000000000abc" }, 50));
      await timed("by holder", () => store.search.find({ ...any, text: "10.7.9." }, 50));
      await timed("by host", () => store.search.find({ ...any, text: "alpha-1" }, 50));
      await timed("by what may be a host or an id", () => store.search.find({ ...any, text: "alph" }, 50));
      await timed("by place", () => store.search.find({ ...any, text: "192.0.2.5:20000" }, 50));
      await timed("count of all", () => store.search.count(any));
      await timed("count of open", () => store.search.count({ ...any, state: "open" }));
      await timed("count by host", () => store.search.count({ ...any, text: "alpha-1" }));
      context.diagnostic(times.join(", "));
    });
  });
});
