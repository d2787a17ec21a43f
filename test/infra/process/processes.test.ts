import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, it } from "node:test";
import {
  endAllBelow,
  isSameProcess,
  markProcess,
  sendSignal,
  type ProcessMark,
} from "../../../infra/process/processes.ts";

describe("all that runs below a process", () => {
  const started: number[] = [];
  afterEach(async () => {
    for (const pid of started.splice(0)) await sendSignal(pid, "SIGKILL");
  });

  /** A shell that waits for its input, with a child in a session of its own, which has a child as well. */
  async function start(before = ""): Promise<{ top: ProcessMark; below: ProcessMark[] }> {
    const below = `${before} sleep 600 & echo $$ $!; wait`;
    const shell = spawn("sh", ["-c", `setsid sh -c '${below}' & read line`], { stdio: ["pipe", "pipe", "inherit"] });
    const [said] = (await once(shell.stdout, "data")) as [Buffer];
    const pids = [shell.pid ?? 0, ...said.toString().trim().split(" ").map(Number)];
    started.push(...pids);
    const [top, ...others] = (await Promise.all(pids.map(markProcess))).filter((mark) => mark !== undefined);
    assert.ok(top && others.length === 2);
    return { top, below: others };
  }
  const running = (marks: readonly ProcessMark[]) => Promise.all(marks.map(isSameProcess));

  it("ends, in sessions of its own too, while the process itself goes on", async () => {
    const { top, below } = await start();
    await endAllBelow(top.pid, 60_000);
    assert.deepEqual(await running([top, ...below]), [true, false, false]);
  });

  it("is killed when it does not end as it is asked to", async () => {
    const { top, below } = await start('trap "" TERM;');
    await endAllBelow(top.pid, 50);
    assert.deepEqual(await running([top, ...below]), [true, false, false]);
  });
});
