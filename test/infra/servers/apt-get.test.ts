import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "../../bed/until.ts";

const run = promisify(execFile);
const APT_GET = fileURLToPath(new URL("../../../infra/servers/apt-get.sh", import.meta.url));
/** Holds a lock as apt does, by fcntl and not by flock, until its standard input ends. */
const HOLD = `use Fcntl; $| = 1; open(my $file, ">", $ARGV[0]) or die $!;
my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
fcntl($file, F_SETLK, $lock) or die $!; print "held"; <STDIN>;`;

describe("apt-get.sh", () => {
  let dir: string;
  let env: NodeJS.ProcessEnv;
  let holder: ChildProcess | undefined;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-apt-"));
    for (const folder of ["lists/partial", "archives/partial", "dpkg"])
      await mkdir(join(dir, folder), { recursive: true });
    await writeFile(join(dir, "dpkg/status"), "");
    // An apt of its own, so that nobody else on this machine waits.
    const settings = [
      `Dir::State::lists "${dir}/lists"`,
      `Dir::State::status "${dir}/dpkg/status"`,
      `Dir::Cache::archives "${dir}/archives"`,
      `Dir::Etc::sourcelist "/dev/null"`,
      `Dir::Etc::sourceparts "/dev/null"`,
    ];
    await writeFile(join(dir, "apt.conf"), settings.map((setting) => `${setting};\n`).join(""));
    env = { ...process.env, APT_CONFIG: join(dir, "apt.conf") };
  });
  afterEach(async () => {
    holder?.kill("SIGKILL");
    holder = undefined;
    await rm(dir, { recursive: true });
  });

  const hold = async (lock: string) => {
    const child = spawn("perl", ["-e", HOLD, join(dir, lock)], { stdio: ["pipe", "pipe", "inherit"] });
    holder = child;
    await Promise.race([
      once(child.stdout, "data"),
      once(child, "exit").then(([code]) => assert.fail(`the holder ended with ${String(code)}`)),
    ]);
    return () => child.stdin.end();
  };

  for (const [what, lock, args] of [
    ["the lists", "lists/lock", ["update"]],
    ["the archives", "archives/lock", ["clean"]],
    ["dpkg", "dpkg/lock-frontend", ["install", "--yes"]],
  ] as const) {
    it(`waits while another program holds the lock of ${what}, says so once, and goes on`, async () => {
      const release = await hold(lock);
      await assert.rejects(run("apt-get", [...args], { env }), /Could not get lock/, "apt-get itself gives up");
      const child = spawn("sh", [APT_GET, ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const ended = once(child, "close");
      await until("it says that it waits", () => said !== "");
      assert.match(said, /^waiting for another program that uses apt: .*\/lock.* held by process \d+ \(perl\)\n$/);
      const waiting = said;
      release();
      assert.deepEqual(await ended, [0, null]);
      assert.equal(said, waiting);
    });
  }

  it("fails at once, with apt-get's words and code, for any other reason", async () => {
    await assert.rejects(run("sh", [APT_GET, "install", "--yes", "no-such-package"], { env }), {
      code: 100,
      stderr: "E: Unable to locate package no-such-package\n",
    });
  });
});
