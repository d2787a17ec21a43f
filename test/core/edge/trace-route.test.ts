import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { traceRoute } from "../../../apps/core/edge/trace-route.ts";
import { createTwinGateways, gateway } from "../../../apps/twins/gateways.ts";
import { createVirtualTime } from "../../../apps/twins/time.ts";
import { createCallFaults } from "../../../apps/twins/turns.ts";

const TARGET = "10.0.0.1 20000";

function bed() {
  const time = createVirtualTime(new Date("2026-11-26T00:00:00Z"));
  const faults = createCallFaults();
  const twin = createTwinGateways({ clock: time.clock, faults });
  const ended = new AbortController();
  const trace = () => traceRoute({ gateways: twin.membership, news: twin.news, delay: time.delay }, "a", ended.signal);
  const join = async (name: string, target: string | null, lifeMs = 60_000) => {
    await twin.membership.join(gateway(name), lifeMs);
    twin.news.onNudge((ids) => {
      // What is lost is asked again.
      twin.news
        .acknowledge(
          name,
          ids.map((id) => ({ id, target })),
        )
        .catch(() => undefined);
    });
  };
  return { time, faults, twin, ended, trace, join };
}

describe("tracing a route", () => {
  it("asks nobody when no gateway lives", async () => {
    const { time, trace } = bed();
    assert.deepEqual(await time.run(trace()), []);
  });

  it("tells what each gateway carries, as soon as all have said so", async () => {
    const { time, trace, join } = bed();
    await join("gw-1", TARGET);
    await join("gw-2", null);
    const begun = time.clock();
    assert.deepEqual(await time.run(trace()), [
      { name: "gw-1", target: TARGET },
      { name: "gw-2", target: null },
    ]);
    assert.deepEqual(time.clock(), begun, "no time passes: what is told is enough");
  });

  it("asks again what was lost on the way", async () => {
    const { time, faults, trace, join } = bed();
    faults.add({ call: "news.acknowledge", times: 3, fault: () => new Error("lost") });
    await join("gw-1", TARGET);
    assert.deepEqual(await time.run(trace()), [{ name: "gw-1", target: TARGET }]);
  });

  it("tells of one that has not answered when the time is over, and of none whose life has ended", async () => {
    const { time, twin, ended, trace, join } = bed();
    await join("gw-1", TARGET);
    await twin.membership.join(gateway("gw-2"), 60_000);
    await twin.membership.join(gateway("gw-3"), 1_000);
    const traced = trace();
    await time.run(time.delay(5_000));
    ended.abort();
    assert.deepEqual(await time.run(traced), [
      { name: "gw-1", target: TARGET },
      { name: "gw-2", target: undefined },
    ]);
  });
});
