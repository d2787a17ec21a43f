import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createVirtualTime } from "../../apps/twins/time.ts";

const start = new Date("2026-01-01T00:00:00Z");
const msSince = (moment: Date) => moment.getTime() - start.getTime();

describe("virtual time", () => {
  it("passes only when it is told to", async () => {
    const { clock, delay, pass } = createVirtualTime(start);
    let isOver = false;
    const waiting = delay(100).then(() => (isOver = true));
    pass(99);
    await Promise.resolve();
    assert.deepEqual([msSince(clock()), isOver], [99, false]);
    pass(1);
    await waiting;
    assert.equal(msSince(clock()), 100);
  });

  it("aborts signals when their time has come, as time-outs do", () => {
    const { after, pass } = createVirtualTime(start);
    const [early, late] = [after(10), after(20)];
    pass(10);
    assert.deepEqual([early.aborted, late.aborted], [true, false]);
    assert.ok(early.reason instanceof Error && early.reason.name === "TimeoutError");
  });

  it("goes on by itself while work has nothing else to wait for, to each timer in its order", async () => {
    const { clock, delay, run } = createVirtualTime(start);
    const seen: string[] = [];
    const wait = async (name: string, ms: number) => {
      await delay(ms);
      seen.push(`${name} at ${msSince(clock())}`);
    };
    const work = Promise.all([wait("late", 3_600_000), wait("early", 10).then(() => wait("next", 5))]);
    await run(work);
    assert.deepEqual(seen, ["early at 10", "next at 15", "late at 3600000"]);
  });

  it("gives what the work gives, and throws what it throws", async () => {
    const { delay, run } = createVirtualTime(start);
    assert.equal(await run(delay(5).then(() => "done")), "done");
    await assert.rejects(
      run(
        delay(5).then(() => {
          throw new Error("failed");
        }),
      ),
      /failed/,
    );
  });

  it("says when work waits for something that will never come", async () => {
    const { run } = createVirtualTime(start);
    await assert.rejects(run(new Promise(() => undefined)), /never come/);
  });
});
