import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { keepProcess, type ProcessRun } from "../../../infra/process/kept-process.ts";

/** Keeps a process of the test's own: `runs` are its runs so far, `waits` the waits before new ones. */
async function keep({ firstBackoffMs = 1_000, failing = [] as number[] } = {}) {
  const runs: { end: (how?: string) => void; told: string[] }[] = [];
  const waits: { ms: number; over: () => void }[] = [];
  const said: string[] = [];
  const clock = { nowMs: 0 };
  let starts = 0;
  let changed = Promise.withResolvers<true>();
  const change = () => {
    changed.resolve(true);
    changed = Promise.withResolvers();
  };
  const start = (): Promise<ProcessRun> => {
    if (failing.includes(++starts)) return Promise.reject(new Error(`start ${starts} failed`));
    const ended = Promise.withResolvers<string | undefined>();
    const told: string[] = [];
    const end = (how?: string) => ended.resolve(how);
    const tell = (what: string) => () => {
      told.push(what);
      end();
      return Promise.resolve();
    };
    runs.push({ end, told });
    change();
    return Promise.resolve({ ended: ended.promise, stop: tell("stop"), kill: tell("kill") });
  };
  const pause = async (ms: number, signal: AbortSignal) => {
    const over = Promise.withResolvers<true>();
    signal.addEventListener("abort", () => over.resolve(true));
    waits.push({ ms, over: () => over.resolve(true) });
    change();
    await over.promise;
  };
  const kept = await keepProcess("api", start, {
    say: (text) => said.push(text),
    firstBackoffMs,
    clockMs: () => clock.nowMs,
    pause,
  });
  const until = async (condition: () => boolean) => {
    while (!condition()) await changed.promise;
  };
  /** Ends the last run, and has the wait before the next one over. */
  const endAndGoOn = async (how?: string) => {
    const [ran, waited] = [runs.length, waits.length];
    runs.at(-1)?.end(how);
    await until(() => waits.length > waited);
    waits.at(-1)?.over();
    await until(() => runs.length > ran);
    // Now it is seen to run.
    await setImmediate();
  };
  return { kept, runs, waits, said, clock, until, endAndGoOn };
}

describe("a process that is kept running", () => {
  it("is started again when it ends by itself, after waits that double, and tells how it ended", async () => {
    const { kept, waits, said, endAndGoOn } = await keep();
    for (const how of ["code 1", "SIGKILL", "code 1"]) await endAndGoOn(how);
    assert.deepEqual(
      waits.map(({ ms }) => ms),
      [1_000, 2_000, 4_000],
    );
    assert.equal(said[1], "api ended (SIGKILL) and starts again in 2 s");
    assert.equal(kept.failures(), 3);
    await kept.stop();
  });

  it("waits 30 s at most, and the first time's wait again after a run of more than a minute", async () => {
    const { kept, waits, clock, endAndGoOn } = await keep({ firstBackoffMs: 0 });
    for (let run = 0; run < 8; run++) await endAndGoOn();
    clock.nowMs += 60_001;
    await endAndGoOn();
    assert.deepEqual(
      waits.map(({ ms }) => ms),
      [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 0],
    );
    await kept.stop();
  });

  it("is tried again when it does not start; only its first start throws", async () => {
    const { kept, runs, waits, said, until } = await keep({ firstBackoffMs: 0, failing: [2, 3] });
    runs[0]?.end();
    for (const tries of [1, 2, 3]) {
      await until(() => waits.length === tries);
      waits.at(-1)?.over();
    }
    await until(() => runs.length === 2);
    assert.deepEqual(said, [
      "api ended and is started again",
      "api does not start; next try in 1 s: start 2 failed",
      "api does not start; next try in 2 s: start 3 failed",
    ]);
    await kept.stop();
    await assert.rejects(keep({ failing: [1] }), /start 1 failed/);
  });

  it("stays ended once it is stopped or killed, also while it waits or starts", async () => {
    for (const how of ["stop", "kill"] as const) {
      const running = await keep();
      await running.kept[how]();
      await running.kept.stop();
      assert.equal(running.runs.length, 1);
      assert.equal(running.runs[0]?.told[0], how);
      assert.equal(running.kept.failures(), 0);
      assert.deepEqual(running.said, []);
    }
    const waiting = await keep();
    waiting.runs[0]?.end();
    await waiting.until(() => waiting.waits.length === 1);
    await waiting.kept.stop();
    assert.equal(waiting.runs.length, 1);
    assert.deepEqual(waiting.runs[0]?.told, [], "another process may have its pid by now");

    const starting = await keep();
    starting.runs[0]?.end();
    await starting.until(() => starting.waits.length === 1);
    starting.waits[0]?.over();
    await starting.until(() => starting.runs.length === 2);
    await starting.kept.stop();
    assert.deepEqual(starting.runs[1]?.told, ["stop"]);
    assert.equal(starting.runs.length, 2);
  });
});
