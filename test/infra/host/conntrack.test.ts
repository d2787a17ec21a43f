import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { projectPath } from "../../../infra/process/project-path.ts";
import { redisService } from "../../../apps/core/services/redis.ts";
import { instanceLimits } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";

const run = promisify(execFile);
const TIMEOUTS = [
  "established",
  "syn_sent",
  "syn_recv",
  "fin_wait",
  "close_wait",
  "last_ack",
  "time_wait",
  "close",
  "max_retrans",
  "unacknowledged",
];

/** On a kernel made of files, so that the machine's own stays as it is. */
describe("conntrack.sh", () => {
  let proc: string;
  beforeEach(async () => {
    proc = await mkdtemp(join(tmpdir(), "getaredis-conntrack-"));
    await mkdir(join(proc, "sys/net/netfilter"), { recursive: true });
    await mkdir(join(proc, "sys/net/ipv4"));
    await writeFile(join(proc, "sys/net/ipv4/tcp_syncookies"), "0\n");
    await put("buckets", 65_536);
    await put("tcp_loose", 1);
    for (const name of TIMEOUTS) await put(`tcp_timeout_${name}`, 432_000);
  });
  afterEach(() => rm(proc, { recursive: true }));

  const fileOf = (name: string) => join(proc, `sys/net/netfilter/nf_conntrack_${name}`);
  const put = (name: string, value: number) => writeFile(fileOf(name), `${value}\n`);
  const read = async (name: string) => Number(await readFile(fileOf(name), "utf8"));
  const setUp = async ({ memoryMb, max }: { memoryMb: number; max: number }) => {
    await writeFile(join(proc, "meminfo"), `MemTotal:       ${memoryMb * 1024} kB\nMemFree:         1 kB\n`);
    await put("max", max);
    await run("bash", [projectPath("infra/host/conntrack.sh")], { env: { PATH: process.env["PATH"], PROC: proc } });
  };

  it("gives the table room for the machine's memory, with buckets to match", async () => {
    for (const [memoryMb, places] of [
      [470, 65_536],
      [970, 131_072],
      [1970, 262_144],
      [3920, 524_288],
      [64_000, 1_048_576],
    ] as const) {
      await setUp({ memoryMb, max: 32_768 });
      assert.equal(await read("max"), places, `${memoryMb} MB`);
      assert.equal(await read("buckets"), places / 2);
    }
  });

  it("leaves a table alone that has more room", async () => {
    await setUp({ memoryMb: 1970, max: 2_000_000 });
    assert.deepEqual([await read("max"), await read("buckets")], [2_000_000, 65_536]);
  });

  it("keeps a silent connection as long as Redis takes to find out that its client is gone, many times over", async () => {
    await setUp({ memoryMb: 1970, max: 65_536 });
    const { instances } = loadSettings({ INSTANCE_IMAGE: "redis" }, ["INSTANCE_IMAGE"]);
    const { Cmd } = redisService(instanceLimits(instances)).containerOf({
      id: "0".repeat(16),
      deployment: "d",
      bindAddress: "",
      port: 1,
      passwordHash: Buffer.alloc(32),
      watchHash: Buffer.alloc(32),
      notAfter: new Date(0),
    });
    const keepaliveSeconds = Number(Cmd[Cmd.indexOf("--tcp-keepalive") + 1]);
    assert.ok(keepaliveSeconds > 0);
    assert.ok((await read("tcp_timeout_established")) >= 10 * keepaliveSeconds);
    for (const name of TIMEOUTS.slice(1)) assert.ok((await read(`tcp_timeout_${name}`)) <= 2 * 60, name);
    assert.equal(await read("tcp_loose"), 0);
    assert.equal(await readFile(join(proc, "sys/net/ipv4/tcp_syncookies"), "utf8"), "1\n");
  });
});
