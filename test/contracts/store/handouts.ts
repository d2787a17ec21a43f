import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EndCause } from "../../../apps/core/events/names.ts";
import { QUOTA, at, claimFor, hash, host, kinds, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of taking slots and quota places, and of handing out. */
export function describeHandouts(open: OpenStore): void {
  describe("hand-outs", () => {
    const { bed, take, lease, usage } = useStore(open);

    describe("taking a slot", () => {
      it("gives a port of the host, the longest unused slot first", async () => {
        await bed.store.hosts.register(host("a", { capacity: 3 }), start);
        const ids = [];
        for (const port of [20_000, 20_001]) {
          const taken = await take();
          assert.deepEqual([taken.kind, taken.kind === "taken" && taken.port], ["taken", port]);
          ids.push(taken.id);
        }
        // The second is free before the first is.
        for (const [index, seconds] of [
          [1, 10],
          [0, 20],
        ] as const) {
          await bed.store.leases.beginEnd(ids[index] ?? "", "failed", at(seconds));
          await bed.store.leases.close(ids[index] ?? "", at(seconds));
        }
        const ports = [];
        for (let count = 0; count < 3; count++) {
          const taken = await take({ now: at(30) });
          ports.push(taken.kind === "taken" && taken.port);
        }
        assert.deepEqual(ports, [20_002, 20_001, 20_000]);
      });

      it("gives one address exactly its quota, out of many requests at four processes", async () => {
        await bed.store.hosts.register(host("a", { capacity: 100 }), start);
        const processes = [bed.store, bed.another(), bed.another(), bed.another()];
        const results = await Promise.all(
          Array.from({ length: 60 }, (_, index) => take({ from: processes[index % 4] ?? bed.store })),
        );
        assert.deepEqual(kinds(results), { taken: QUOTA, "quota-exceeded": 60 - QUOTA });
        assert.equal(await bed.count("quotaPlaces"), QUOTA);
        assert.deepEqual(await usage(), [["a", QUOTA, QUOTA]]);
      });

      it("gives many addresses exactly the slots there are, none twice, at four processes", async () => {
        await bed.store.hosts.register(host("a", { capacity: 20 }), start);
        const processes = [bed.store, bed.another(), bed.another(), bed.another()];
        const results = await Promise.all(
          Array.from({ length: 60 }, (_, index) =>
            take({ address: `198.51.100.${index}`, from: processes[index % 4] ?? bed.store }),
          ),
        );
        // A slot that is being taken is skipped, not waited for: "full" may come a moment early.
        const taken = results.filter((result) => result.kind === "taken");
        assert.ok(
          results.every(({ kind }) => kind === "taken" || kind === "host-full"),
          JSON.stringify(kinds(results)),
        );
        for (let address = 60; taken.length < 20; address++) {
          const result = await take({ address: `198.51.100.${address}` });
          assert.ok(result.kind === "taken", "what was skipped is there for the next");
          taken.push(result);
        }
        assert.equal((await take({ address: "203.0.113.1" })).kind, "host-full");
        assert.equal(new Set(taken.map(({ port }) => port)).size, 20);
        assert.deepEqual(await usage(), [["a", 20, 20]]);
        assert.equal(await bed.count("quotaPlaces"), 20);
        assert.equal(await bed.count("instances"), 20, "a refusal leaves no row");
      });

      it("loses nothing and gives nothing twice while leases come and go at four processes", async () => {
        await bed.store.hosts.register(host("a", { capacity: 6 }), start);
        const processes = [bed.store, bed.another(), bed.another(), bed.another()];
        let tick = 0;
        await Promise.all(
          processes.map(async (from, index) => {
            for (let round = 0; round < 15; round++) {
              const result = await take({ from, address: `198.51.100.${round % 3}`, now: at(++tick) });
              if (result.kind !== "taken") continue;
              if (round % 2) await from.handouts.complete(result.id, at(10_000), at(tick), undefined);
              assert.ok(await from.leases.beginEnd(result.id, round % 2 ? "owner" : "failed", at(tick)));
              if (index % 2) await from.leases.close(result.id, at(tick));
            }
          }),
        );
        for (const { instanceId } of await bed.store.leases.listDue(at(20_000)))
          await bed.store.leases.close(instanceId, at(tick));
        assert.deepEqual(await usage(), [["a", 0, 0]]);
        assert.equal(await bed.count("quotaPlaces"), 0);
        assert.equal(await bed.count("slots"), 6);
      });

      it("names the earliest end of a lease when the quota is used up", async () => {
        await bed.store.hosts.register(host("a"), start);
        for (const ttlSeconds of [500, 100, 300]) await lease({ ttlSeconds });
        const refused = await take({ now: at(50) });
        assert.deepEqual(refused.kind === "quota-exceeded" && refused.nextFreeAt, at(100));
      });

      it("passes over slots whose port is taken, until their time has come", async () => {
        await bed.store.hosts.register(host("a", { capacity: 1 }), start);
        const { id } = await take();
        await bed.store.leases.beginEnd(id, "failed", at(1));
        await bed.store.leases.close(id, at(1), at(300));
        assert.equal((await take({ now: at(299) })).kind, "host-full");
        assert.equal((await take({ now: at(300) })).kind, "taken");
      });

      it("refuses a host that is closed or unknown, and takes nothing", async () => {
        await bed.store.hosts.register(host("a"), start);
        for (const state of ["cordoned", "draining"] as const) {
          await bed.store.hosts.setState("a", state);
          assert.equal((await take()).kind, "host-closed");
        }
        assert.equal((await take({ hostName: "nobody" })).kind, "host-closed");
        assert.equal(await bed.count("quotaPlaces"), 0);
        await bed.store.hosts.setState("a", "active");
        assert.equal((await take()).kind, "taken");
      });

      it("leaves nothing behind when a statement in the middle fails", async () => {
        await bed.store.hosts.register(host("a"), start);
        const { id } = await take();
        await assert.rejects(take({ id, address: "198.51.100.2" }), /Duplicate entry/);
        assert.deepEqual(await usage(), [["a", 1, 1]]);
        assert.equal((await take({ address: "198.51.100.2" })).kind, "taken");
      });
    });

    describe("quota places", () => {
      const endings: [what: string, cause: EndCause, handedOut: boolean][] = [
        ["its time is over", "expired", true],
        ["its owner ends it", "owner", true],
        ["the operator ends it", "operator", true],
        ["its container is lost", "lost", true],
        ["its hand-out fails", "failed", false],
        ["its caller hangs up", "abandoned", false],
      ];
      for (const [what, cause, handedOut] of endings) {
        it(`are free at once when ${what}, before the container is gone`, async () => {
          await bed.store.hosts.register(host("a"), start);
          const claim = claimFor("key");
          const ids = [
            handedOut ? await lease({ quota: 1, claim, ttlSeconds: 60 }) : (await take({ quota: 1, claim })).id,
          ];
          assert.equal((await take({ quota: 1, now: at(1) })).kind, "quota-exceeded");
          assert.ok(await bed.store.leases.beginEnd(ids[0] ?? "", cause, at(60)));
          assert.deepEqual(await usage(), [["a", 0, 1]], "the slot is not free yet");
          assert.equal(
            await bed.store.handouts.readClaim("198.51.100.1", claim.keyHash, at(60)),
            undefined,
            "the key is free as well",
          );
          assert.equal((await take({ quota: 1, claim, now: at(60) })).kind, "taken");
        });
      }

      it("of leases past their end are free before the reaper runs, and their keys with them", async () => {
        await bed.store.hosts.register(host("a"), start);
        const claim = claimFor("key");
        const old = await lease({ quota: 1, claim, ttlSeconds: 60 });
        assert.equal((await take({ quota: 1, now: at(59) })).kind, "quota-exceeded");
        assert.equal((await bed.store.handouts.readClaim("198.51.100.1", claim.keyHash, at(59)))?.instanceId, old);
        assert.equal(await bed.store.handouts.readClaim("198.51.100.1", claim.keyHash, at(60)), undefined);
        const next = await take({ quota: 1, claim, now: at(60) });
        assert.equal(next.kind, "taken");
        assert.equal((await bed.store.handouts.readClaim("198.51.100.1", claim.keyHash, at(60)))?.instanceId, next.id);
        assert.deepEqual(
          (await bed.store.leases.listDue(at(60))).map(({ instanceId }) => instanceId),
          [old],
          "its container still waits for the reaper",
        );
      });

      it("once taken back cannot return by an extension that comes late", async () => {
        await bed.store.hosts.register(host("a"), start);
        const old = await lease({ quota: 1, ttlSeconds: 60 });
        assert.equal((await take({ quota: 1, now: at(60) })).kind, "taken");
        assert.equal(await bed.store.leases.setExpiry(old, at(3600), at(59)), false);
        assert.equal(await bed.count("quotaPlaces"), 1);
      });

      it("never outnumber the quota, however extensions and takings fall together", async () => {
        await bed.store.hosts.register(host("a", { capacity: 50 }), start);
        for (let round = 0; round < 10; round++) {
          const address = `198.51.100.${round}`;
          const id = await lease({ quota: 1, address, ttlSeconds: 60 });
          const [taken, extended] = await Promise.all([
            take({ quota: 1, address, now: at(60) }),
            bed.another().leases.setExpiry(id, at(3600), at(59)),
          ]);
          assert.equal(taken.kind === "taken", !extended, "one of the two won");
        }
      });
    });

    describe("idempotency keys", () => {
      it("lead every later request to the first one's instance and answer", async () => {
        await bed.store.hosts.register(host("a"), start);
        const claim = claimFor("key");
        const { id } = await take({ claim });
        assert.deepEqual(await bed.store.handouts.readClaim("198.51.100.1", claim.keyHash, start), {
          requestHash: claim.requestHash,
          instanceId: id,
          sealedAnswer: null,
          expiresAt: null,
        });
        assert.ok(await bed.store.handouts.complete(id, at(60), at(1), Buffer.from("sealed")));
        const known = await take({ claim: claimFor("key", "other body") });
        assert.deepEqual(
          { ...known, id: undefined },
          {
            kind: "known",
            requestHash: claim.requestHash,
            instanceId: id,
            sealedAnswer: Buffer.from("sealed"),
            expiresAt: at(60),
            id: undefined,
          },
        );
        assert.deepEqual(await usage(), [["a", 1, 1]]);
      });

      it("make one instance out of many requests at once", async () => {
        await bed.store.hosts.register(host("a", { capacity: 30 }), start);
        const processes = [bed.store, bed.another(), bed.another()];
        const results = await Promise.all(
          Array.from({ length: 30 }, (_, index) =>
            take({ claim: claimFor("key"), from: processes[index % 3] ?? bed.store, quota: 30 }),
          ),
        );
        assert.deepEqual(kinds(results), { taken: 1, known: 29 });
      });

      it("are known also when the quota is used up", async () => {
        await bed.store.hosts.register(host("a"), start);
        await take({ claim: claimFor("key"), quota: 1 });
        assert.equal((await take({ claim: claimFor("key"), quota: 1 })).kind, "known");
      });

      it("of different addresses have nothing to do with each other", async () => {
        await bed.store.hosts.register(host("a"), start);
        await take({ claim: claimFor("key") });
        assert.equal((await take({ claim: claimFor("key"), address: "198.51.100.2" })).kind, "taken");
        assert.equal(await bed.store.handouts.readClaim("198.51.100.3", claimFor("key").keyHash, start), undefined);
      });
    });

    describe("handing out", () => {
      it("turns the draft into a lease that ends when it says", async () => {
        await bed.store.hosts.register(host("a"), start);
        const id = await lease({ ttlSeconds: 60 });
        const instance = await bed.store.leases.find(id);
        assert.deepEqual(
          [
            instance?.state,
            instance?.expiresAt,
            instance?.createdAt,
            instance?.hostName,
            instance?.publicHost,
            instance?.port,
          ],
          ["running", at(60), start, "a", "192.0.2.1", 20_000],
        );
        assert.deepEqual([instance?.tokenHash, instance?.passwordHash], [hash("token"), hash("password")]);
      });

      it("keeps what runs in an instance, and lists it while an instance with it runs, each once", async () => {
        await bed.store.hosts.register(host("a", { capacity: 10 }), start);
        const old = { engine: "redis", version: "7.0.15" } as const;
        const recent = { engine: "valkey", version: "8.1.1" } as const;
        const ids: string[] = [];
        for (const server of [recent, old, old, undefined]) {
          const { id } = await take({ quota: 10 });
          assert.ok(await bed.store.handouts.complete(id, at(60), at(1), undefined, server));
          assert.deepEqual((await bed.store.leases.find(id))?.server, server ?? null);
          ids.push(id);
        }
        assert.deepEqual(await bed.store.leases.listServers(), [old, recent]);
        await bed.store.leases.beginEnd(ids[0] ?? "", "owner", at(2));
        assert.deepEqual(await bed.store.leases.listServers(), [old]);
      });

      it("is refused once the deadline is over, or somebody has undone the draft, or a second time", async () => {
        await bed.store.hosts.register(host("a"), start);
        const { id: late } = await take();
        assert.equal(await bed.store.handouts.complete(late, at(3600), at(30), Buffer.from("x")), false);
        assert.equal((await bed.store.leases.find(late))?.state, "starting");
        const { id: undone } = await take();
        await bed.store.leases.beginEnd(undone, "failed", at(1));
        assert.equal(await bed.store.handouts.complete(undone, at(3600), at(2), undefined), false);
        const id = await lease();
        assert.equal(await bed.store.handouts.complete(id, at(9999), at(2), undefined), false);
        assert.equal(await bed.store.handouts.complete("nobody", at(9999), at(2), undefined), false);
      });
    });
  });
}
