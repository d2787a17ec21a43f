import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { at, host, start, useStore, type OpenStore } from "./bed.ts";

/** The store's contract of what instances send. */
export function describeTransfers(open: OpenStore): void {
  describe("what instances send", () => {
    const { bed, take, lease } = useStore(open);
    const keep = (readings: Record<string, number>, now = start, from = bed.store) =>
      from.transfers.keep(new Map(Object.entries(readings)), now);
    const sentOf = async (id: string) => (await bed.store.leases.find(id))?.sentBytes;
    const TOMORROW_S = 86_400;

    it("is nothing at first, and then what was read last", async () => {
      await bed.store.hosts.register(host("a"), start);
      const id = await lease();
      assert.equal(await sentOf(id), 0);
      await keep({ [id]: 5_000_000_000_000 });
      assert.equal(await sentOf(id), 5_000_000_000_000);
      await keep({ [id]: 7, "0000000000000000": 9 });
      assert.equal(await sentOf(id), 5_000_000_000_000, "a reading that came late changes nothing");
      await keep({});
    });

    it("adds up for each day, whoever reads it and how often", async () => {
      await bed.store.hosts.register(host("a"), start);
      const [one, other] = [await lease(), await lease()];
      assert.deepEqual(await bed.store.transfers.readDay(start), { sentBytes: 0, isAlarmGiven: false });
      const readings = { [one]: 100, [other]: 20 };
      await Promise.all([bed.store, bed.another(), bed.another()].map((each) => keep(readings, start, each)));
      assert.equal((await bed.store.transfers.readDay(at(TOMORROW_S - 1))).sentBytes, 120);
      await keep({ [one]: 150 }, at(TOMORROW_S));
      assert.equal((await bed.store.transfers.readDay(at(TOMORROW_S))).sentBytes, 50);
      assert.equal((await bed.store.transfers.readDay(start)).sentBytes, 120);
      await bed.store.history.prune(at(TOMORROW_S));
      assert.equal((await bed.store.transfers.readDay(start)).sentBytes, 0, "history is pruned");
      assert.equal((await bed.store.transfers.readDay(at(TOMORROW_S))).sentBytes, 50);
    });

    it("lists running instances that have sent as much, until they are noted", async () => {
      await bed.store.hosts.register(host("a"), start);
      const [one, less, ended] = [await lease(), await lease(), await lease()];
      const { id: starting } = await take({ address: "198.51.100.2" });
      await keep({ [one]: 100, [less]: 99, [ended]: 100, [starting]: 100 });
      await bed.store.leases.beginEnd(ended, "owner", at(1));
      const { transfers } = bed.store;
      assert.deepEqual(await transfers.listExceeding(100), [{ instanceId: one, hostName: "a", sentBytes: 100 }]);
      await transfers.noteExceeding(one, at(1));
      assert.deepEqual(await transfers.listExceeding(100), []);
      assert.equal(await transfers.countExceeding(100), 1);
      await keep({ [less]: 101 });
      assert.deepEqual(
        (await transfers.listExceeding(100)).map(({ instanceId }) => instanceId),
        [less],
      );
      assert.equal(await transfers.countExceeding(100), 2);
    });

    it("notes the alarm of a day for that day alone", async () => {
      await bed.store.hosts.register(host("a"), start);
      const id = await lease();
      await keep({ [id]: 1 });
      await keep({ [id]: 2 }, at(TOMORROW_S));
      await bed.store.transfers.noteAlarm(start);
      assert.deepEqual(await bed.store.transfers.readDay(start), { sentBytes: 1, isAlarmGiven: true });
      await keep({ [id]: 5 });
      assert.deepEqual(await bed.store.transfers.readDay(start), { sentBytes: 4, isAlarmGiven: true });
      assert.deepEqual(await bed.store.transfers.readDay(at(TOMORROW_S)), { sentBytes: 1, isAlarmGiven: false });
    });
  });
}
