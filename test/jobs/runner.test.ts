import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pino } from "pino";
import { createRunner } from "../../apps/jobs/runner.ts";

/** A job that runs until the test lets it end, and a runner that keeps its runs. */
function fixture(leastPauseMs = 0) {
  const runs: { end: (fault?: Error) => void }[] = [];
  const kept: string[] = [];
  const store = {
    runs: {
      begin: (job: string) => Promise.resolve(void kept.push(`${job} begins`)),
      finish: (job: string, _now: Date, fault: string | undefined) =>
        Promise.resolve(void kept.push(`${job} ends${fault === undefined ? "" : `: ${fault}`}`)),
    },
  };
  const job = {
    name: "scale" as const,
    cron: "* * * * *",
    run: () =>
      new Promise<void>((resolve, reject) => {
        runs.push({ end: (fault) => (fault ? reject(fault) : resolve()) });
      }),
  };
  const runner = createRunner(store, () => new Date(), pino({ level: "silent" }), leastPauseMs);
  const begun = async (number: number) => {
    while (runs.length < number) await new Promise((resolve) => setImmediate(resolve));
  };
  return { runner, job, runs, kept, begun };
}

describe("a runner of jobs", () => {
  it("keeps when a run began and how it came out", async () => {
    const { runner, job, runs, kept, begun } = fixture();
    const first = runner.tick(job);
    await begun(1);
    runs[0]?.end();
    await first;
    const second = runner.tick(job);
    await begun(2);
    runs[1]?.end(new Error("no answer"));
    await second;
    assert.deepEqual(kept, ["scale begins", "scale ends", "scale begins", "scale ends: no answer"]);
  });

  it("neither runs nor keeps a run of a job that is another process's now", async () => {
    const { runner, job, runs, kept } = fixture();
    await runner.tick({ ...job, isOurs: () => Promise.resolve(false) });
    assert.deepEqual([runs, kept], [[], []]);
  });

  it("passes over a tick while the job runs", async () => {
    const { runner, job, runs, begun } = fixture();
    const first = runner.tick(job);
    await begun(1);
    await runner.tick(job);
    runs[0]?.end();
    await first;
    assert.equal(runs.length, 1);
  });

  it("runs a job once more after requests while it runs, however many: it may have read too early", async () => {
    const { runner, job, runs, begun } = fixture();
    const first = runner.tick(job);
    await begun(1);
    for (let requests = 0; requests < 3; requests++) await runner.requestRun(job);
    runs[0]?.end();
    await begun(2);
    runs[1]?.end();
    await first;
    assert.equal(runs.length, 2);
  });

  it("delays a request that comes too soon after the last one, and runs once for many", async () => {
    const { runner, job, runs, begun } = fixture(50);
    const first = runner.requestRun(job);
    await begun(1);
    runs[0]?.end();
    await first;
    for (let requests = 0; requests < 10; requests++) await runner.requestRun(job);
    assert.equal(runs.length, 1);
    await begun(2);
    runs[1]?.end();
    await runner.stop();
    assert.equal(runs.length, 2);
  });

  it("runs a requested job at once when it does not run, and none after it was told to stop", async () => {
    const { runner, job, runs, begun } = fixture();
    const requested = runner.requestRun(job);
    await begun(1);
    const stopped = runner.stop();
    await runner.requestRun(job);
    runs[0]?.end();
    await Promise.all([requested, stopped]);
    assert.equal(runs.length, 1);
  });
});
