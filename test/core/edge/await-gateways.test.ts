import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { awaitGateways } from "../../../apps/core/edge/await-gateways.ts";
import { createVirtualTime } from "../../../apps/twins/time.ts";
import { createTwinGateways, gateway } from "../../../apps/twins/gateways.ts";
import { createCallFaults } from "../../../apps/twins/turns.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";

const TARGET = "10.0.0.1 20000";

function bed() {
  const time = createVirtualTime(new Date("2026-11-26T00:00:00Z"));
  const faults = createCallFaults();
  const twin = createTwinGateways({ clock: time.clock, faults });
  const wait = (target: string | null = TARGET, signal: AbortSignal = new AbortController().signal) =>
    awaitGateways({ gateways: twin.membership, news: twin.news, delay: time.delay }, "a", target, signal);
  const beat = (name: string, lifeMs = 3_000) => twin.membership.join(gateway(name), lifeMs);
  /** Answers each nudge as a gateway that carries this. */
  const carry = (name: string, target: string | null) =>
    twin.news.onNudge((ids) => {
      const carried = ids.map((id) => ({ id, target }));
      // What is lost is told again.
      twin.news.acknowledge(name, carried).catch(() => undefined);
    });
  return { time, twin, faults, wait, beat, carry };
}

describe("waiting for gateways", () => {
  it("waits for nobody when no gateway lives", async () => {
    const { time, wait } = bed();
    assert.equal(await time.run(wait()), 0);
  });

  it("is over when every gateway carries the route", async () => {
    const { time, wait, beat, carry } = bed();
    for (const name of ["gw-1", "gw-2"]) {
      await beat(name);
      carry(name, TARGET);
    }
    const begun = time.clock();
    assert.equal(await time.run(wait()), 2);
    assert.deepEqual(time.clock(), begun, "no time passes: what is told is enough");
  });

  it("goes on while a gateway carries another target, or says nothing", async () => {
    const { time, twin, wait, beat, carry } = bed();
    await beat("gw-1", 60_000);
    await beat("gw-2", 60_000);
    carry("gw-1", "10.0.0.9 1");
    let isOver = false;
    const waiting = wait().then(() => (isOver = true));
    await time.run(time.delay(10_000));
    assert.ok(!isOver);
    await twin.news.acknowledge("gw-1", [{ id: "a", target: TARGET }]);
    await time.run(time.delay(1_000));
    assert.ok(!isOver, "the second one has said nothing");
    await twin.news.acknowledge("gw-2", [{ id: "b", target: TARGET }]);
    await time.run(time.delay(1_000));
    assert.ok(!isOver, "what is said of another instance counts for nothing");
    carry("gw-1", TARGET);
    carry("gw-2", TARGET);
    await time.run(waiting);
  });

  it("tells again what was lost on the way", async () => {
    const { time, faults, wait, beat, carry } = bed();
    await beat("gw-1", 60_000);
    faults.add({ call: "news.acknowledge", times: 3, fault: () => new Error("lost") });
    carry("gw-1", TARGET);
    assert.equal(await time.run(wait()), 1);
  });

  it("waits no more for one whose key has ended", async () => {
    const { time, wait, beat, carry } = bed();
    await beat("gw-1", 60_000);
    await beat("gw-2", 3_000);
    carry("gw-1", TARGET);
    assert.equal(await time.run(wait()), 1);
    assert.ok(time.clock() >= new Date("2026-11-26T00:00:03Z"));
  });

  it("waits also for one that joins, that drains, or whose key cannot be read", async () => {
    for (const state of ["joining", "draining", undefined] as const) {
      const { time, twin, wait, carry } = bed();
      if (state) await twin.membership.join({ ...gateway("gw-1"), state }, 3_000);
      else twin.set("gw-1", "{", 3_000);
      const begun = time.clock().getTime();
      const waiting = time.run(wait());
      assert.equal(await waiting, 0, "until its key ends");
      assert.ok(time.clock().getTime() - begun >= 3_000);
      await twin.membership.join(gateway("gw-1"), 3_000);
      carry("gw-1", TARGET);
      assert.equal(await time.run(wait()), 1);
    }
  });

  it("waits in the same way until a route is gone", async () => {
    const { time, wait, beat, carry } = bed();
    await beat("gw-1", 1_000);
    carry("gw-1", TARGET);
    assert.equal(await time.run(wait(null)), 0, "it carries the route until its key ends");
    await beat("gw-1", 1_000);
    carry("gw-1", null);
    assert.equal(await time.run(wait(null)), 1);
  });

  it("is given up when it is told so, or when nobody knows who lives", async () => {
    const { time, faults, wait, beat } = bed();
    await beat("gw-1", 60_000);
    await assert.rejects(time.run(wait(TARGET, time.after(2_000))), { name: "TimeoutError" });
    faults.add({ call: "gateways.list", fault: () => new Unavailable("redis", new Error("gone")) });
    await assert.rejects(time.run(wait()), { name: "Unavailable" });
  });
});
