import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { HostFacts } from "../../../apps/core/fleet/standing.ts";
import { drawFleet } from "../../../infra/lab/drawing.ts";
import { readLabOrder } from "../../../infra/lab/options.ts";
import { childrenOf, findProcesses, markProcess } from "../../../infra/process/processes.ts";
import { until } from "../../bed/until.ts";

const MAIN = fileURLToPath(new URL("../../../infra/lab/main.ts", import.meta.url));
const PATIENCE_MS = 60_000;

describe("npm run lab", () => {
  let stateDir: string;
  const running: ChildProcess[] = [];
  before(async () => {
    stateDir = await mkdtemp(join(tmpdir(), "lab-command-"));
  });
  after(async () => {
    for (const child of running) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    for (const pid of await ours()) process.kill(pid, "SIGKILL");
    await rm(stateDir, { recursive: true, force: true });
  });

  const start = (...args: string[]) => {
    const child = spawn(process.execPath, [MAIN, "--port", "0", ...args], {
      env: { ...process.env, STATE_DIR: stateDir },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.push(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    return { child, ended: once(child, "close"), output: () => output };
  };
  /** Processes of this lab beside it: servers and programs that name its folder, or were started in it. */
  const ours = () => findProcesses((line) => line.some((argument) => argument.includes(stateDir)));
  const says = (lab: { output: () => string }, text: string) =>
    until(`it says "${text}"; it said:\n${lab.output()}`, () => lab.output().includes(text), PATIENCE_MS);

  it("lives a life behind gateways, one of which is killed, and ends by itself; also after an earlier run was killed", async () => {
    const killed = start("--arrivals", "1", "--lease", "3600");
    await says(killed, "arrival 1: a Redis at");
    const machines = (await childrenOf(killed.child.pid ?? 0)).length;
    assert.ok(machines > 0);
    const systemds = await Promise.all(
      (await Promise.all((await childrenOf(killed.child.pid ?? 0)).map(childrenOf))).flat().map(markProcess),
    );
    killed.child.kill("SIGKILL");
    await killed.ended;
    await until("its machines have ended with it", async () => {
      const left = await Promise.all(
        systemds.map(async (mark) => mark && (await markProcess(mark.pid))?.startedAtTicks === mark.startedAtTicks),
      );
      return left.every((isThere) => isThere !== true);
    });

    const next = start(
      "--arrivals",
      "2",
      "--every",
      "0",
      "--lease",
      "20",
      "--slots",
      "1",
      "--cap",
      "3",
      "--gateways",
      "2",
      "--fault",
      "server-error:1",
      "--once",
    );
    const [code] = (await next.ended) as [number];
    assert.equal(code, 0, next.output());
    assert.match(next.output(), /ended what an earlier run had left running: .*(api|jobs|enrolment)/);
    assert.match(next.output(), /scale order #\d+: 0 empty hosts and 0 on the way, 1 wanted/);
    assert.match(next.output(), /Summary: [12] instances handed out/);
    assert.match(
      next.output(),
      /gateway-[12] lost its power: 1 client of it came back through another one after .*its address was out of DNS after/,
    );
    assert.match(next.output(), /from order to a host that takes instances: \d+\.\d s \(median\), \d+\.\d s at most/);
    assert.deepEqual(await ours(), []);
  });

  it("ends at Ctrl-C, whatever it is doing, and takes everything with it", async () => {
    const lab = start();
    await says(lab, "booting");
    lab.child.kill("SIGINT");
    const [code] = (await lab.ended) as [number];
    assert.equal(code, 0, lab.output());
    assert.match(lab.output(), /Stopped: droplets, servers and networks are gone/);
    assert.deepEqual(await ours(), []);
  });

  it("says what it takes, and what was wrong with what it was given", () => {
    const help = readLabOrder(["--help"]);
    assert.ok(help.kind === "help" && help.text.includes("--slots") && help.text.includes("answer-lost"));
    const wrong = readLabOrder(["--slots", "none", "--cap", "0", "--fault", "rain", "--fault", "hang:x"]);
    assert.deepEqual(wrong, {
      kind: "fault",
      text: [
        '--slots must be a number from 1 to 100, not "none"',
        '--cap must be a number from 1 to 50, not "0"',
        '--fault "rain" is none of rate-limit, server-error, hang, answer-lost, half-answer, droplet-limit, ' +
          "out-of-stock, never-active, never-boots, slow-boot, list-lags, delete-refused, delete-fails, delete-ignored",
        '--fault hang:N takes a whole number, not "x"',
      ].join("\n"),
    });
    assert.equal(readLabOrder(["--colour", "red"]).kind, "fault");
    const plain = readLabOrder(["--slots", "2", "--every", "0.5", "--fault", "hang:2"]);
    assert.ok(plain.kind === "run");
    assert.deepEqual(
      [plain.options.slots, plain.options.every, plain.options.faults, plain.options.once],
      [2, 0.5, [{ kind: "hang", times: 2 }], false],
    );
  });

  it("draws the fleet in a line", () => {
    const droplets = [
      { name: "gar-x-1", state: "joined" },
      { name: "gar-x-2", state: "joined" },
      { name: "gar-x-3", state: "booting" },
    ] as const;
    const host = (name: string, inUse: number): HostFacts => ({
      host: {
        name,
        engineUrl: "https://10.0.0.1:2376",
        deployment: "x",
        publicHost: "192.0.2.1",
        checkHost: "10.0.0.1",
        bindAddress: "0.0.0.0",
        capacity: 3,
        basePort: 20_000,
        state: "active",
      },
      heartbeat: {
        kind: "beat",
        beat: {
          name,
          publicIp: "192.0.2.1",
          privateIp: "10.0.0.1",
          dockerPort: 2376,
          containers: inUse,
          memAvailableMb: 100,
          sentAt: "2026-01-01T00:00:00Z",
        },
      },
      inUse,
      occupied: inUse,
      lastExpiry: null,
      warm: 0,
      unreachableSince: null,
    });
    const hosts = [host("gar-x-1", 2), host("gar-x-2", 0)];
    assert.equal(drawFleet(droplets, hosts), "#1 ■■□   #2 □□□ standby   #3 booting");
    assert.equal(drawFleet([], []), "no droplets");
  });
});
