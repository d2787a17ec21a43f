import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EndCause, RestartCause } from "../../../apps/core/events/names.ts";
import { at, claimFor, host, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of instances from hand-out to end. */
export function describeLeases(open: OpenStore): void {
  describe("changing and ending a lease", () => {
    const { bed, take, lease, usage } = useStore(open);

    it("moves its end only while it runs", async () => {
      await bed.store.hosts.register(host("a"), start);
      const id = await lease({ ttlSeconds: 60 });
      assert.equal(await bed.store.leases.setExpiry(id, at(100), at(59)), true);
      assert.equal(await bed.store.leases.setExpiry(id, at(100), at(59)), true, "the same once more is no failure");
      assert.deepEqual((await bed.store.leases.find(id))?.expiresAt, at(100));
      assert.equal(await bed.store.leases.setExpiry(id, at(200), at(100)), false);
      const { id: starting } = await take();
      assert.equal(await bed.store.leases.setExpiry(starting, at(200), at(1)), false);
    });

    it("begins once, however many callers begin it", async () => {
      await bed.store.hosts.register(host("a"), start);
      const id = await lease();
      const processes = [bed.store, bed.another(), bed.another()];
      const causes: EndCause[] = ["owner", "operator", "lost"];
      const begun = await Promise.all(
        Array.from({ length: 15 }, (_, index) =>
          (processes[index % 3] ?? bed.store).leases.beginEnd(id, causes[index % 3] ?? "lost", at(1)),
        ),
      );
      assert.equal(begun.filter(Boolean).length, 1);
      assert.equal((await bed.store.leases.find(id))?.endCause, causes[begun.indexOf(true) % 3]);
    });

    it("begins only from the states that its cause allows", async () => {
      await bed.store.hosts.register(host("a", { capacity: 50 }), start);
      const allowed: Record<EndCause, string[]> = {
        expired: ["running"],
        lost: ["running"],
        owner: ["starting", "running"],
        operator: ["starting", "running"],
        misuse: ["running"],
        failed: ["starting"],
        abandoned: ["starting", "running"],
      };
      for (const [cause, states] of Object.entries(allowed) as [EndCause, string[]][]) {
        const starting = (await take({ quota: 50 })).id;
        const running = await lease({ quota: 50, ttlSeconds: 60 });
        const ending = await lease({ quota: 50 });
        const ended = await lease({ quota: 50 });
        for (const id of [ending, ended]) await bed.store.leases.beginEnd(id, "operator", at(1));
        await bed.store.leases.close(ended, at(1));
        const begun = [];
        for (const [state, id] of Object.entries({ starting, running, ending, ended }))
          if (await bed.store.leases.beginEnd(id, cause, at(60))) begun.push(state);
        assert.deepEqual(begun, states, cause);
      }
    });

    it("is found by its address from its start until its container is gone, and by no other's", async () => {
      await bed.store.hosts.register(host("a", { publicHost: "A.example.org" }), start);
      await bed.store.hosts.register(host("b", { publicHost: "192.0.2.2" }), start);
      const { id: starting } = await take({ hostName: "b" });
      const id = await lease();
      const { port } = (await bed.store.leases.find(id)) ?? assert.fail();
      const idAt = async (publicHost: string, at: number) => (await bed.store.leases.findAt(publicHost, at))?.id;
      assert.deepEqual([await idAt("a.example.org", port), await idAt("192.0.2.2", port)], [id, starting]);
      assert.deepEqual(await bed.store.leases.findAt("a.example.org", port), await bed.store.leases.find(id));
      for (const [publicHost, at] of [
        ["a.example.org", port + 1],
        ["192.0.2.3", port],
        ["", port],
      ] as const)
        assert.equal(await idAt(publicHost, at), undefined, `${publicHost}:${at}`);
      await bed.store.leases.beginEnd(id, "owner", at(1));
      assert.equal(await idAt("a.example.org", port), id, "it may still be there");
      await bed.store.leases.close(id, at(2));
      assert.equal(await idAt("a.example.org", port), undefined);
      const next = await lease({ now: at(3) });
      assert.equal(await idAt("a.example.org", (await bed.store.leases.find(next))?.port ?? 0), next);
    });

    it("keeps the last restart of a running instance, each once", async () => {
      await bed.store.hosts.register(host("a"), start);
      const id = await lease();
      assert.equal((await bed.store.leases.find(id))?.lastRestart, null);
      const note = (tick: number, cause: RestartCause) =>
        bed.store.leases.noteRestart(id, { at: new Date(at(tick).getTime() + 7), cause });
      assert.equal(await note(5, "out-of-memory"), true);
      const [known, ...twice] = await Promise.all([note(5, "out-of-memory"), note(9, "crashed"), note(9, "crashed")]);
      assert.equal(known, false);
      // Of those that come at once, any may be the first.
      assert.deepEqual(twice.sort(), [false, true]);
      const restart = { at: new Date(at(9).getTime() + 7), cause: "crashed" };
      assert.deepEqual((await bed.store.leases.find(id))?.lastRestart, restart);
      await bed.store.leases.beginEnd(id, "owner", at(10));
      assert.equal(await note(11, "unknown"), false);
      assert.deepEqual((await bed.store.leases.find(id))?.lastRestart, restart);
      assert.equal(await bed.store.leases.noteRestart("nobody", { at: at(1), cause: "unknown" }), false);
    });

    it("as expired waits for an extension made meanwhile", async () => {
      await bed.store.hosts.register(host("a"), start);
      const id = await lease({ ttlSeconds: 60 });
      const due = await bed.store.leases.listDue(at(60));
      assert.deepEqual(
        due.map(({ instanceId, state }) => [instanceId, state]),
        [[id, "running"]],
      );
      await bed.store.leases.setExpiry(id, at(120), at(59));
      assert.equal(await bed.store.leases.beginEnd(id, "expired", at(60)), false);
      assert.equal((await bed.store.leases.find(id))?.state, "running");
      assert.deepEqual(await bed.store.leases.listDue(at(60)), []);
    });

    it("as expired is begun for all that are over, many at once, and for no others", async () => {
      await bed.store.hosts.register(host("a", { capacity: 80 }), start);
      const over = [];
      for (let number = 0; number < 66; number++)
        over.push(await lease({ address: `198.51.100.${number}`, ttlSeconds: 60, claim: claimFor("key") }));
      const [young, owned, starting] = [
        await lease({ ttlSeconds: 61, address: "203.0.113.1" }),
        await lease({ ttlSeconds: 60, address: "203.0.113.2" }),
        (await take({ address: "203.0.113.3" })).id,
      ];
      await bed.store.leases.beginEnd(owned, "owner", at(1));
      const ended = await Promise.all([bed.store.leases.endOver(at(60)), bed.another().leases.endOver(at(60))]);
      assert.equal(ended[0] + ended[1], 66);
      const causeOf = async (id: string) => (await bed.store.leases.find(id))?.endCause;
      assert.deepEqual(new Set(await Promise.all(over.map(causeOf))), new Set(["expired"]));
      assert.deepEqual(await Promise.all([young, owned, starting].map(causeOf)), [null, "owner", null]);
      assert.equal(await bed.count("quotaPlaces"), 2);
      const again = await take({ address: "198.51.100.7", now: at(60), claim: claimFor("key") });
      assert.equal(again.kind, "taken", "the key is free as well");
    });

    it("frees the slot when it is closed, and not a second time after somebody else has taken it", async () => {
      await bed.store.hosts.register(host("a", { capacity: 1 }), start);
      const id = await lease();
      await bed.store.leases.close(id, at(1));
      assert.deepEqual(await usage(), [["a", 1, 1]], "a lease that has not ended is not closed");
      await bed.store.leases.beginEnd(id, "owner", at(2));
      await bed.store.leases.close(id, at(3));
      assert.deepEqual(
        [(await bed.store.leases.find(id))?.state, (await bed.store.leases.find(id))?.endedAt],
        ["ended", at(3)],
      );
      const next = await lease({ now: at(4) });
      await bed.store.leases.close(id, at(5));
      assert.deepEqual(await usage(), [["a", 1, 1]]);
      assert.deepEqual((await bed.store.leases.find(id))?.endedAt, at(3));
      assert.equal((await bed.store.leases.find(next))?.state, "running");
    });

    it("is listed until it is over: due ones for the reaper, open ones by host", async () => {
      await bed.store.hosts.register(host("a"), start);
      await bed.store.hosts.register(host("b"), start);
      const starting = (await take()).id;
      const running = await lease({ ttlSeconds: 60 });
      const ending = await lease({ hostName: "b", ttlSeconds: 9999 });
      await bed.store.leases.beginEnd(ending, "owner", at(1));
      assert.deepEqual(
        (await bed.store.leases.listDue(at(59))).map(({ instanceId }) => instanceId),
        [ending],
      );
      assert.deepEqual(
        (await bed.store.leases.listDue(at(60))).map(({ instanceId }) => instanceId),
        [running, ending],
      );
      assert.deepEqual(
        (await bed.store.leases.listOpenOf("a")).sort((a, b) => (a.state < b.state ? 1 : -1)),
        [
          { id: starting, state: "starting", deadline: at(30) },
          { id: running, state: "running" },
        ],
      );
      assert.deepEqual(
        (await bed.store.leases.listOpenOf("b")).map(({ id }) => id),
        [ending],
      );
      assert.deepEqual(
        (await bed.store.search.find({ state: "open", order: "created", descending: true }, 10))
          .map(({ id }) => id)
          .sort(),
        [starting, running, ending].sort(),
      );
      assert.equal((await bed.store.search.find({ state: "open", order: "created", descending: true }, 1)).length, 1);
      const place = await bed.store.leases.findContainer(ending);
      assert.deepEqual(
        [place?.instanceId, place?.state, place?.host.name, place?.host.engineUrl],
        [ending, "ending", "b", "unix:///run/docker.sock"],
      );
      assert.match(place?.host.deployment ?? "", /^[0-9a-z]{12}$/);
      assert.deepEqual(
        [await bed.store.leases.findContainer("nobody"), await bed.store.leases.find("nobody")],
        [undefined, undefined],
      );
    });
  });
}
