import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { NewBlock } from "../../../apps/core/operator/operator.ts";
import { at, hash, host, start, useStore, type OpenStore } from "./bed.ts";
import { liveOnly } from "../../bed/budgets.ts";

const block = (address: string, reason = ""): NewBlock => ({ address, reason, until: null, by: null });

/** The store's contract of logins, operators, switches, blocks, and destroy requests. */
export function describeOperator(open: OpenStore): void {
  describe("for the operator", () => {
    const { bed, take, lease, booting, joined } = useStore(open);

    describe("logins", () => {
      it("hold until their end, name the token that they began with, and end at once when ended", async () => {
        await bed.store.logins.begin(hash("a"), hash("ops"), at(0), at(60));
        const found = async (secret: string, seconds: number) =>
          (await bed.store.logins.find(hash(secret), at(seconds)))?.tokenHash.toString("hex");
        assert.equal(await found("a", 59), hash("ops").toString("hex"));
        assert.equal(await found("a", 60), undefined);
        assert.equal(await found("b", 1), undefined);
        await bed.store.logins.end(hash("a"));
        assert.equal(await found("a", 1), undefined);
      });

      it("that are over are forgotten when another begins", async () => {
        await bed.store.logins.begin(hash("a"), hash("ops"), at(0), at(60));
        await bed.store.logins.begin(hash("b"), hash("ops"), at(61), at(100));
        assert.equal(await bed.count("logins"), 1);
        assert.ok(await bed.store.logins.find(hash("b"), at(62)));
      });
    });

    describe("operators", () => {
      const alice = {
        name: "alice",
        role: "operator",
        tokenHash: hash("alice's token"),
        createdBy: "admin",
        expiresAt: at(100),
      } as const;
      const kept = {
        name: "alice",
        role: "operator",
        createdBy: "admin",
        createdAt: at(1),
        expiresAt: at(100),
      } as const;

      it("are found by the hash of their token, listed by name, and each name is one operator's", async () => {
        assert.equal(await bed.store.operators.add(alice, at(1)), true);
        assert.equal(await bed.store.operators.add({ ...alice, tokenHash: hash("another") }, at(2)), false);
        assert.ok(
          await bed.store.operators.add(
            { name: "abe", role: "viewer", tokenHash: hash("abe"), createdBy: "alice", expiresAt: null },
            at(3),
          ),
        );
        assert.deepEqual(await bed.store.operators.find(hash("alice's token")), { ...kept, lastUsedAt: null });
        assert.equal(await bed.store.operators.find(hash("another")), undefined);
        assert.deepEqual(
          (await bed.store.operators.list()).map(({ name, role, expiresAt }) => [name, role, expiresAt]),
          [
            ["abe", "viewer", null],
            ["alice", "operator", at(100)],
          ],
        );
      });

      it("keep their last use, which never goes back", async () => {
        await bed.store.operators.add(alice, at(1));
        await bed.store.operators.noteUse(hash("alice's token"), at(50));
        await bed.store.operators.noteUse(hash("alice's token"), at(40));
        await bed.store.operators.noteUse(hash("nobody's token"), at(60));
        assert.deepEqual((await bed.store.operators.find(hash("alice's token")))?.lastUsedAt, at(50));
      });

      it("stand with their logins; these end with another role and with the operator, and with nothing else", async () => {
        await bed.store.operators.add(alice, at(1));
        const begin = () => bed.store.logins.begin(hash("login"), hash("alice's token"), at(2), at(1000));
        const login = async () => (await bed.another().logins.find(hash("login"), at(3)))?.operator;
        await bed.store.logins.begin(hash("of OPS_TOKEN"), hash("OPS_TOKEN"), at(2), at(1000));
        await begin();
        assert.deepEqual(await login(), { ...kept, lastUsedAt: null });
        assert.deepEqual(await bed.store.operators.change("alice", { expiresAt: null, role: "operator" }), {
          ...kept,
          expiresAt: null,
          lastUsedAt: null,
        });
        assert.equal((await login())?.expiresAt, null, "it goes on");
        assert.equal((await bed.store.operators.change("alice", { role: "viewer" }))?.role, "viewer");
        assert.equal(await login(), undefined);
        await begin();
        assert.equal((await login())?.role, "viewer");
        assert.equal(await bed.store.operators.remove("alice"), true);
        assert.equal(await login(), undefined);
        assert.equal(await bed.store.operators.remove("alice"), false);
        assert.equal(await bed.store.operators.change("alice", { role: "admin" }), undefined);
        assert.equal(await bed.store.operators.change("ål", { role: "admin" }), undefined);
        assert.equal(await bed.count("logins"), 1, "that of another token");
        assert.equal((await bed.store.logins.find(hash("of OPS_TOKEN"), at(3)))?.operator, undefined);
      });
    });

    describe("switches and blocks", () => {
      it("refuse hand-outs within their own transaction: to nobody's quota, slot or row", async () => {
        await bed.store.hosts.register(host("a"), start);
        assert.equal(await bed.store.switches.set("handouts", true, at(1)), true);
        assert.equal((await take({ now: at(10) })).kind, "paused");
        assert.equal(await bed.store.switches.set("handouts", true, at(2)), false, "it stood so");
        assert.equal(await bed.store.switches.set("handouts", false, at(3)), true);
        await bed.store.blocks.add(block("198.51.100.1", "mining"), at(4));
        assert.equal((await take({ now: at(10) })).kind, "blocked");
        assert.equal((await take({ now: at(10), address: "198.51.100.2" })).kind, "taken");
        assert.equal(await bed.count("instances"), 1);
        assert.equal(await bed.store.blocks.remove("198.51.100.1", at(5)), true);
        assert.equal(await bed.store.blocks.remove("198.51.100.1", at(5)), false);
        assert.equal((await take({ now: at(10) })).kind, "taken");
      });

      it("give a retry its known answer all the same", async () => {
        await bed.store.hosts.register(host("a"), start);
        const claim = { keyHash: hash("key"), requestHash: hash("request") };
        const draft = {
          id: "a".repeat(16),
          address: "198.51.100.1",
          tokenHash: hash("t"),
          passwordHash: hash("p"),
          createdAt: at(0),
          deadline: at(30),
          latestEnd: at(86_400),
        };
        assert.equal((await bed.store.handouts.takeSlot(draft, "a", liveOnly(6), claim)).kind, "taken");
        await bed.store.blocks.add(block("198.51.100.1"), at(1));
        assert.equal(
          (await bed.store.handouts.takeSlot({ ...draft, id: "b".repeat(16) }, "a", liveOnly(6), claim)).kind,
          "known",
        );
      });

      it("are listed as they stand, blocks with the newest first; scaling pauses apart from hand-outs", async () => {
        assert.deepEqual(await bed.store.switches.list(), [
          { name: "handouts", paused: false, changedAt: null },
          { name: "scaling", paused: false, changedAt: null },
        ]);
        await bed.store.switches.set("scaling", true, at(5));
        assert.deepEqual(
          (await bed.store.switches.list()).map(({ name, paused, changedAt }) => [name, paused, changedAt]),
          [
            ["handouts", false, null],
            ["scaling", true, at(5)],
          ],
        );
        await bed.store.blocks.add(block("192.0.2.1", "first"), at(1));
        const second = { address: "2001:db8::/48", reason: "second", until: at(60), by: "203.0.113.1" };
        await bed.store.blocks.add(second, at(2));
        await bed.store.blocks.add(block("192.0.2.1", "first, seen again"), at(3));
        const first = { ...block("192.0.2.1", "first, seen again"), blockedAt: at(1) };
        assert.deepEqual(await bed.store.blocks.list(at(59)), [{ ...second, blockedAt: at(2) }, first]);
        assert.deepEqual(await bed.store.blocks.list(at(60)), [first]);
        assert.equal(await bed.store.blocks.remove("2001:db8::/48", at(60)), false, "it is over");
        await bed.store.blocks.add(block("2001:db8::/48"), at(70));
        assert.deepEqual((await bed.store.blocks.list(at(70)))[0]?.blockedAt, at(70), "another one, not the old one");
      });

      it("of a network hold its addresses, and no other, until they end", async () => {
        await bed.store.hosts.register(host("a", { capacity: 20 }), start);
        await bed.store.blocks.add({ ...block("198.51.100.0/24"), until: at(100) }, at(0));
        await bed.store.blocks.add(block("2001:db8::/32"), at(0));
        for (const [address, seconds, kind] of [
          ["198.51.100.255", 99, "blocked"],
          ["198.51.101.0", 99, "taken"],
          ["198.51.100.255", 100, "taken"],
          ["2001:db8:ffff:1::/64", 99, "blocked"],
          ["2001:db9::/64", 99, "taken"],
        ] as const)
          assert.equal((await take({ address, now: at(seconds) })).kind, kind, `${address} after ${seconds} s`);
      });

      it("of a list hold as well, beside the operator's, and are replaced all at once", async () => {
        await bed.store.hosts.register(host("a", { capacity: 20 }), start);
        const many = Array.from({ length: 1200 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);
        assert.deepEqual(await bed.store.blocks.replaceListed([...many, "198.51.100.0/24"]), {
          added: 1201,
          removed: 0,
        });
        assert.equal((await take({ now: at(1) })).kind, "blocked");
        assert.deepEqual(await bed.store.blocks.findListed(["198.51.0.0/16", "198.51.100.0/24"]), ["198.51.100.0/24"]);
        assert.deepEqual(await bed.store.blocks.replaceListed(["192.0.2.0/24", ...many]), { added: 1, removed: 1 });
        assert.equal((await take({ now: at(1) })).kind, "taken");
        assert.equal((await take({ now: at(1), address: "192.0.2.77" })).kind, "blocked");
        assert.deepEqual(await bed.store.blocks.list(at(1)), []);
        assert.deepEqual(await bed.store.blocks.replaceListed([]), { added: 0, removed: 1201 });
        assert.equal(await bed.store.blocks.countListed(), 0);
      });

      it("let no hand-out pass that was under way: it is found with those to be ended, or is not completed", async () => {
        await bed.store.hosts.register(host("a", { capacity: 60 }), start);
        for (let round = 0; round < 10; round++) {
          const address = `198.51.100.${round}`;
          const handingOut = Array.from({ length: 3 }, async (_, turn) => {
            const { kind, id } = await take({ address, from: turn === 1 ? bed.another() : bed.store });
            const isOut = kind === "taken" && (await bed.store.handouts.complete(id, at(3600), at(1), undefined));
            return { id, isOut };
          });
          const blocking = (async () => {
            await bed.store.blocks.add(block(address), start);
            return (await bed.store.leases.listHeld()).map(({ instanceId }) => instanceId);
          })();
          const [held, ...all] = await Promise.all([blocking, ...handingOut]);
          for (const { id, isOut } of all) assert.ok(!isOut || held.includes(id), "it is out, and nobody knows of it");
        }
        await bed.store.blocks.add(block("198.51.0.0/16"), at(2));
        const { id, kind } = await take({ address: "192.0.2.1" });
        assert.equal(kind, "taken");
        assert.ok(await bed.store.handouts.complete(id, at(3600), at(3), undefined), "another network's");
      });
    });

    it("are shown where the control plane reaches each instance that starts or runs", async () => {
      await bed.store.hosts.register(host("a"), start);
      const [running, over] = [await lease(), await lease()];
      await bed.store.leases.beginEnd(over, "owner", at(1));
      const held = await bed.store.leases.listHeld();
      assert.deepEqual(
        held.map(({ instanceId, state, checkHost, port }) => [instanceId, state, { host: checkHost, port }]),
        [[running, "running", await bed.store.leases.findAddress(running)]],
      );
    });

    it("is told since when a finding of misuse goes on, and from when it is another one", async () => {
      await bed.store.hosts.register(host("a"), start);
      const [id, other] = [await lease(), await lease()];
      const keep = (seconds: number, instance = id) =>
        bed.store.misuse.keep(instance, { rule: "egress", value: 9, bound: 5 }, at(seconds), 180_000);
      assert.deepEqual(
        [await keep(0), await keep(60), await keep(240), await keep(421), await keep(422), await keep(430, other)],
        [at(0), at(0), at(0), at(421), at(421), at(430)],
      );
      assert.deepEqual(await bed.store.misuse.count(at(423)), [{ rule: "egress", instances: 1 }]);
      await bed.store.misuse.keep(other, { rule: "logins", value: 9, bound: 5 }, at(440), 180_000);
      assert.deepEqual(await bed.store.misuse.count(at(422)), [
        { rule: "egress", instances: 2 },
        { rule: "logins", instances: 1 },
      ]);
      assert.deepEqual(await bed.store.misuse.count(at(441)), []);
      // It goes with its instance.
      await bed.store.leases.beginEnd(id, "misuse", at(500));
      await bed.store.leases.close(id, at(500));
      assert.deepEqual(await bed.store.misuse.count(at(0)), [
        { rule: "egress", instances: 1 },
        { rule: "logins", instances: 1 },
      ]);
      assert.equal(await bed.store.history.prune(at(600)), 1);
    });

    it("are shown the slots that are not free: the instance, or that the port is taken", async () => {
      await bed.store.hosts.register(host("a"), start);
      const running = await lease({ now: at(10) });
      await take({ now: at(10) });
      const { id: failed } = await take({ now: at(10) });
      await bed.store.leases.beginEnd(failed, "failed", at(11));
      await bed.store.leases.close(failed, at(12), at(300));
      const taken = async (now: Date) =>
        (await bed.store.slots.listTaken(now)).map(({ hostName, slot, state }) => `${hostName} ${slot} ${state}`);
      assert.deepEqual(await taken(at(299)), ["a 0 running", "a 1 starting", "a 2 port-taken"]);
      assert.deepEqual(await taken(at(300)), ["a 0 running", "a 1 starting"]);
      await bed.store.leases.beginEnd(running, "owner", at(301));
      assert.deepEqual(await taken(at(301)), ["a 0 ending", "a 1 starting"]);
    });

    describe("hosts to be destroyed", () => {
      let term: number;
      beforeEach(async () => {
        term = await bed.lead();
      });

      it("take nothing from then on, and are named to the leader until it has begun", async () => {
        const name = await joined(term, 7);
        assert.deepEqual(await bed.store.destroyRequests.add(name, "none", at(20)), { kind: "requested" });
        assert.equal((await take({ now: at(70), hostName: name })).kind, "host-closed");
        assert.equal(await bed.store.hosts.setState(name, "active"), false, "no way back");
        assert.deepEqual([...(await bed.store.destroyRequests.list())], [[name, "none"]]);
        assert.ok(await bed.store.droplets.beginDestroy(term, name, "asked for", "none", at(21)));
        assert.deepEqual([...(await bed.store.destroyRequests.list())], []);
      });

      it("are refused with leases, unless these are to be lost", async () => {
        const name = await joined(term, 7);
        await lease({ now: at(70), hostName: name });
        assert.deepEqual(await bed.store.destroyRequests.add(name, "none", at(20)), { kind: "leased", leases: 1 });
        assert.deepEqual([...(await bed.store.destroyRequests.list())], []);
        assert.equal((await take({ now: at(70), hostName: name })).kind, "taken", "a refusal closes nothing");
        assert.deepEqual(await bed.store.destroyRequests.add(name, "lost", at(21)), { kind: "requested" });
        assert.deepEqual([...(await bed.store.destroyRequests.list())], [[name, "lost"]]);
      });

      it("may be booting; may not be ours, unknown, or an order without a droplet", async () => {
        assert.deepEqual(await bed.store.destroyRequests.add(await booting(term, 8), "none", at(20)), {
          kind: "requested",
        });
        await bed.store.hosts.register(host("box"), start);
        assert.deepEqual(await bed.store.destroyRequests.add("box", "none", at(20)), { kind: "not-ours" });
        assert.deepEqual(await bed.store.destroyRequests.add("nobody", "none", at(20)), { kind: "unknown" });
        const order =
          (await bed.store.droplets.addOrder(
            term,
            { namePrefix: "gar", region: "fra1", size: "small", tokenHash: hash("x"), cap: 10 },
            start,
          )) ?? "";
        assert.deepEqual(await bed.store.destroyRequests.add(order, "none", at(20)), { kind: "still-ordered" });
      });

      it("and hand-outs cannot pass each other: either the lease is seen, or the host is closed", async () => {
        for (let round = 0; round < 10; round++) {
          const name = await joined(term, 100 + round);
          const [requested, taken] = await Promise.all([
            bed.store.destroyRequests.add(name, "none", at(20)),
            take({ now: at(70), hostName: name, address: `198.51.100.${round}` }),
          ]);
          if (requested.kind === "requested") assert.equal(taken.kind, "host-closed");
          else assert.deepEqual([requested.kind, taken.kind], ["leased", "taken"]);
        }
      });
    });
  });
}
