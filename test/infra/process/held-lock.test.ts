import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { holdLock, type HeldLock, type TakenLock } from "../../../infra/process/held-lock.ts";
import { becomeOnlyEngineOwner, becomeOnlyRun } from "../../../infra/start/only-run.ts";
import { until } from "../../bed/until.ts";

const MODULE = fileURLToPath(new URL("../../../infra/process/held-lock.ts", import.meta.url));
/** Takes a lock, says so, and starts something that outlives it, as we start servers. */
const HOLDER = `
import { spawn } from "node:child_process";
const { holdLock } = await import(${JSON.stringify(MODULE)});
const lock = await holdLock(process.argv[1]);
const { pid } = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
console.log("heldBy" in lock ? "taken" : pid);
setInterval(() => undefined, 1000);
`;

const isHeld = (lock: HeldLock | TakenLock): lock is HeldLock => !("heldBy" in lock);

describe("a lock on a file", () => {
  let dir: string;
  let file: string;
  const ends: (() => void)[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-lock-"));
    file = join(dir, "lock");
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) end();
    await rm(dir, { recursive: true });
  });

  const holder = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", HOLDER, file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    ends.push(() => child.kill("SIGKILL"));
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    const outliving = Number(said.toString());
    assert.ok(outliving > 0, said.toString());
    ends.push(() => process.kill(outliving, "SIGKILL"));
    return child;
  };

  it("is one process's at a time, and says whose", async () => {
    const child = await holder();
    assert.deepEqual(await holdLock(file), { heldBy: String(child.pid) });
  });

  it("goes with its process, killed or not, though what that started runs on", async () => {
    const child = await holder();
    child.kill("SIGKILL");
    await once(child, "exit");
    await until("the lock is free", async () => isHeld(await holdLock(file)));
  });

  it("is let go when that is asked for", async () => {
    const lock = await holdLock(file);
    assert.ok(isHeld(lock));
    assert.deepEqual(await holdLock(file), { heldBy: String(process.pid) });
    await lock.release();
    assert.ok(isHeld(await holdLock(file)));
  });

  it("can be opened by its owner alone, and is no link to somewhere else", async () => {
    await holdLock(file);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await writeFile(join(dir, "other"), "");
    await symlink("other", join(dir, "link"));
    await assert.rejects(holdLock(join(dir, "link")), /cannot open the lock/);
  });

  it("cannot be held against us by a name that anybody may take", async () => {
    const squatter = createServer().listen("\0getaredis-private-engine");
    await once(squatter, "listening");
    ends.push(() => squatter.close());
    const network = /\d+/.exec(await readlink("/proc/self/ns/net"))?.[0] ?? "";
    ends.push(() => rmSync(`/run/getaredis/engine-${network}`));
    await becomeOnlyEngineOwner();
    await assert.rejects(
      becomeOnlyEngineOwner(),
      new RegExp(`runs a private Docker Engine \\(process ${process.pid}\\)`),
    );
    await becomeOnlyRun(dir);
    await assert.rejects(becomeOnlyRun(dir), new RegExp(`already running here \\(process ${process.pid}\\)`));
  });
});
