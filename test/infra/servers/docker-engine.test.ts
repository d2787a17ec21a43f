import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const SCENARIO = fileURLToPath(new URL("docker-engine-scenario.ts", import.meta.url));
/** Ends everything in the namespaces with the process that is killed here, whatever happened. */
const APART = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

interface Left {
  processes: number[];
  mounts: string[];
}
interface Seen {
  adoptedSamePid: boolean;
  whileRunning: number;
  livesAfterAdoption: boolean;
  killed: {
    answersWithoutEngine: boolean;
    answersAfterKill: boolean;
    livesAfterKill: boolean;
    answersAfterRestart: boolean;
  };
  cut: { stateAfterCut: string; answersAfterCut: boolean };
  afterStop: Left;
  afterStopWithoutEngine: Left;
  farUrl: string;
  farVersion: string;
  foundByVariable: string;
}

describe("the private Docker Engine", () => {
  let dir: string;
  let seen: Seen;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-engine-"));
    const folders = [join(dir, "engine"), join(dir, "a-folder-with-a-long-name/".repeat(5))];
    const { stdout } = await run("unshare", [...APART, process.execPath, SCENARIO, ...folders], {
      timeout: 120_000,
      killSignal: "SIGKILL",
      // What does not fit in a long folder goes here instead.
      env: { ...process.env, TMPDIR: dir },
    });
    seen = JSON.parse(stdout) as Seen;
  });
  after(async () => {
    await rm(dir, { recursive: true, maxRetries: 5 });
  });

  it("is taken over with its containers when the process that started it was killed", () => {
    assert.equal(seen.adoptedSamePid, true);
    assert.equal(seen.livesAfterAdoption, true);
  });

  it("keeps instances running and answering while the engine is killed and brought back", () => {
    assert.deepEqual(seen.killed, {
      answersWithoutEngine: true,
      answersAfterKill: true,
      livesAfterKill: true,
      answersAfterRestart: true,
    });
  });

  it("knows and starts its containers again when they died with it", () => {
    assert.deepEqual(seen.cut, { stateAfterCut: "exited", answersAfterCut: true });
  });

  it("leaves no process and no mount behind when it is stopped, containers and their shims included", () => {
    assert.ok(seen.whileRunning >= 4, `dockerd, containerd, shim and Redis ran: ${seen.whileRunning}`);
    assert.deepEqual(seen.afterStop, { processes: [], mounts: [] });
  });

  it("ends its instances when it is stopped, also when dockerd itself was dead by then", () => {
    assert.deepEqual(seen.afterStopWithoutEngine, { processes: [], mounts: [] });
  });

  it("puts its sockets elsewhere when its folder's path is too long for one", () => {
    assert.ok(seen.farUrl.length < "unix://".length + 108);
    assert.ok(!seen.farUrl.includes("a-folder-with-a-long-name"));
    assert.match(seen.farVersion, /^\d+\./);
  });

  it("is not looked for when DOCKER_HOST names another", () => {
    assert.equal(seen.foundByVariable, "unix:///somewhere.sock");
  });
});
