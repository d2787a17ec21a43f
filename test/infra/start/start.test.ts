import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const SCENARIO = fileURLToPath(new URL("start-scenario.ts", import.meta.url));
/** No network but loopback, no engine's socket, and everything ends with the process killed here. */
const APART = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
/** Without a network no package list can be read anew: it takes them for new. */
const PREPARED =
  "ip link set lo up && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib/apt/periodic && " +
  'touch /var/lib/apt/periodic/update-success-stamp && exec "$@"';

interface Ended {
  exit: number | string;
  output: string;
}
interface Seen {
  faulty: Ended;
  withToken: Ended;
  unreachable: Ended;
  blocked: Ended & { started: number };
  status: number;
  url: string;
  pong: string;
  firstBegan: string | undefined;
  readyToNobody: string;
  readyToOthers: string;
  second: Ended;
  jobsSecrets: string[];
  statusAfterServers: number;
  pongAfterServers: string;
  firstOutput: string;
  pongAfterKill: string;
  againOutput: string;
  forced: Ended;
  statusAfterForce: number;
  edgeBlocked: Ended;
  edgeUrl: string;
  edgePong: string;
  exit: number | string;
  lastOutput: string;
  left: number[];
  leftInKernel: string[];
  beside: Ended;
}

describe("npm start", () => {
  let dir: string;
  let seen: Seen;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-start-"));
    const { stdout } = await run("unshare", [...APART, "sh", "-c", PREPARED, "sh", process.execPath, SCENARIO, dir], {
      timeout: 240_000,
      killSignal: "SIGKILL",
    });
    seen = JSON.parse(stdout) as Seen;
  });
  after(async () => {
    await rm(dir, { recursive: true, maxRetries: 5 });
  });

  it("hands out a Redis that answers, from a machine where nothing ran", () => {
    assert.equal(seen.status, 201);
    assert.match(seen.url, /^redis:\/\/default:[^@]+@127\.0\.0\.1:\d+$/);
    assert.equal(seen.pong, "PONG");
  });

  it("has instances ready, so that the first click waits for no container, and lets nobody in before", () => {
    assert.equal(seen.firstBegan, "warm");
    assert.match(seen.readyToNobody, /NOAUTH/);
    assert.match(seen.readyToOthers, /WRONGPASS/);
  });

  it("tells its steps, the page, a curl line, and where the ops token and the logs are", () => {
    assert.match(seen.firstOutput, /✓ private MariaDB \(\d/);
    assert.match(seen.firstOutput, /page +http:\/\/127\.0\.0\.1:\d+\/\n/);
    assert.match(seen.firstOutput, /curl -X POST http:\/\/127\.0\.0\.1:\d+\/instances\n/);
    const tokenFile = join(dir, "ops-token");
    assert.match(seen.firstOutput, /ops +http:\S+\/ops with the token in \S+\n/);
    assert.ok(seen.firstOutput.includes(tokenFile));
    assert.ok(seen.firstOutput.includes(join(dir, "logs")));
  });

  it("reports all faulty settings at once and starts nothing", () => {
    assert.equal(seen.faulty.exit, 1);
    assert.match(seen.faulty.output, /PORT/);
    assert.match(seen.faulty.output, /LEASE_SECONDS/);
    assert.doesNotMatch(seen.faulty.output, /✓/);
  });

  it("refuses the token of a cloud and starts nothing: a fleet is set up otherwise", () => {
    assert.equal(seen.withToken.exit, 1);
    assert.match(seen.withToken.output, /DIGITALOCEAN_TOKEN is set.*infra\/deploy\/README\.md/);
    assert.doesNotMatch(seen.withToken.output, /✓/);
  });

  it("names the setting of a server that does not answer, and not its password", () => {
    assert.equal(seen.unreachable.exit, 1);
    assert.match(seen.unreachable.output, /MYSQL_URL leads to a server that does not answer \(.*ECONNREFUSED/);
    assert.doesNotMatch(seen.unreachable.output, /hidden-word|✓ private/);
  });

  it("names a port that is taken, and the setting, before it starts anything", () => {
    assert.equal(seen.blocked.exit, 1);
    assert.match(seen.blocked.output, /port \d+ of 127\.0\.0\.1 is taken.*PORT=/);
    assert.equal(seen.blocked.started, 0);
  });

  it("refuses to run twice on the same state", () => {
    assert.equal(seen.second.exit, 1);
    assert.match(seen.second.output, /already running here \(process \d+\)/);
  });

  it("starts a program again that died, and says so", () => {
    assert.match(seen.firstOutput, /! api ended \(SIGKILL\) and starts again in 1 s/);
  });

  it("brings back private servers that died, and hands out again", () => {
    assert.match(seen.firstOutput, /! MariaDB ended and is started again/);
    assert.match(seen.firstOutput, /! Redis ended and is started again/);
    assert.equal(seen.statusAfterServers, 201);
  });

  it("brings back its engine when that died, and instances live on", () => {
    assert.match(seen.firstOutput, /! the Docker Engine ended and is started again/);
    assert.equal(seen.pongAfterServers, "PONG");
  });

  it("takes over what a killed run left, instances included", () => {
    assert.match(seen.againOutput, /✓ ended what an earlier run had left running: .*api/);
    assert.equal(seen.pongAfterKill, "PONG");
  });

  it("kills everything when told to stop twice, and starts again after that", () => {
    assert.equal(seen.forced.exit, 1);
    assert.match(seen.forced.output, /Forced\. Everything was killed/);
    assert.equal(seen.statusAfterForce, 201);
  });

  it("brings up a gateway with EDGE_DOMAIN, and instances are reached through it, encrypted", () => {
    assert.equal(seen.edgeBlocked.exit, 1);
    assert.match(seen.edgeBlocked.output, /port \d+ of 127\.0\.0\.1 is taken by another program: .* EDGE_PORT=…/);
    assert.match(seen.edgeUrl, /^rediss:\/\/default:(\w{16})\w{32}@\1\.edge\.test:\d+$/);
    assert.equal(seen.edgePong, "PONG");
    assert.match(
      seen.lastOutput,
      /edge {4}rediss:\/\/….edge\.test:\d+, for names under edge\.test that lead to 127\.0\.0\.1/,
    );
    assert.match(seen.lastOutput, /its certificate is one of our own: give clients .*edge-certificate\/ca\.pem/);
  });

  it("stops everything it started on Ctrl-C", () => {
    assert.equal(seen.exit, 0, seen.lastOutput);
    assert.deepEqual(seen.left, []);
  });

  it("leaves no bridge, no firewall table and no mount behind", () => {
    assert.deepEqual(seen.leftInKernel, []);
  });

  it("refuses to run a second private engine, which would cut off the first one's instances", () => {
    assert.equal(seen.beside.exit, 1);
    assert.match(seen.beside.output, /another Get a Redis on this machine runs a private Docker Engine.*DOCKER_HOST/);
  });

  it("keeps its secrets to itself, out of what may be a log, and from programs that do not need them", async () => {
    for (const name of ["ops-token", "server-secret"])
      assert.ok(!seen.firstOutput.includes((await readFile(join(dir, name), "utf8")).trim()), name);
    // The jobs derive from it by which password they see how an instance is used.
    const serverSecret = (await readFile(join(dir, "server-secret"), "utf8")).trim();
    assert.deepEqual(seen.jobsSecrets, [`SERVER_SECRET=${serverSecret}`]);
    for (const name of ["ops-token", "server-secret"]) assert.equal((await stat(join(dir, name))).mode & 0o077, 0);
  });
});
