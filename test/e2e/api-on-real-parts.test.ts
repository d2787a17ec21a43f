import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { createClient } from "redis";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { assertProblem } from "../api/assert-problem.ts";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";
import { examplesOf, runInShell, shapeOf } from "./page-examples.ts";

type Answer = {
  text: string;
  tone: string;
  cutFromBytes: number | null;
  warning: string | null;
  database: number;
  transaction: string;
};
type Replica = Awaited<ReturnType<Service["startReplica"]>>;

type Figures = {
  handouts: Record<string, (number | null)[]>;
  took: { p50: (number | null)[] };
  times: number[];
  stepSeconds: number;
};

const LIMIT = 8;

async function ping(url: string): Promise<string> {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await client.ping();
  } finally {
    if (client.isOpen) client.destroy();
  }
}

/** Sends a body that never becomes whole, until its connection is closed; `said` has what the server answered. */
function sendDropByDrop(origin: string) {
  const socket = connect(Number(new URL(origin).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(
    "POST /instances HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
  );
  const drops = setInterval(() => socket.write(" "), 500);
  const sending = { socket, said: "" };
  socket.on("data", (chunk: Buffer) => (sending.said += chunk.toString()));
  socket.once("close", () => clearInterval(drops));
  return sending;
}

/** Connections whose clients fall silent after some words. */
function fallSilent(origin: string) {
  return ["", "GET / HTTP/1.1\r\nhost: loc", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"].map((said) => {
    const socket = connect(Number(new URL(origin).port), "127.0.0.1", () => socket.write(said));
    socket.on("error", () => undefined).resume();
    return { said, socket };
  });
}

/**
 * What test/api cannot show on twins: a Redis that answers, jobs of another process, counts that replicas share,
 * a restart, the log of the program, what takes its time, and servers that go away.
 */
describe("the API on real parts", () => {
  let service: Service;
  /** Both believe what loopback forwards, and let an address make few requests for instances. */
  let one: Replica;
  let other: Replica;
  /** Begun first, since it takes its time. */
  let drops: ReturnType<typeof sendDropByDrop>;
  let silent: { said: string; socket: Socket }[];
  let begunAt: number;
  before(async () => {
    begunAt = Date.now();
    service = await startService({
      capacity: 12,
      env: {
        QUOTA_PER_ADDRESS: "12",
        LIVENESS_MAX_AGE_SECONDS: "2",
        INSTANCE_TRANSFER_MB: "3",
        LEASE_MIN_SECONDS: "60",
        LEASE_MAX_SECONDS: "86400",
      },
    });
    const { env } = service;
    const usual = { ...env };
    Object.assign(env, { TRUST_PROXY: "loopback", HANDOUT_RATE_LIMIT_PER_MINUTE: String(LIMIT) });
    [one, other] = await Promise.all([service.startReplica(), service.startReplica()]);
    delete env["TRUST_PROXY"];
    Object.assign(env, usual);
    drops = sendDropByDrop(service.origin);
    silent = fallSilent(service.origin);
  });
  after(async () => {
    for (const { socket } of silent) socket.destroy();
    drops.socket.destroy();
    await service.stop();
  });

  const call = (path: string, init: RequestInit = {}) =>
    fetch(`${service.origin}${path}`, { signal: AbortSignal.timeout(20_000), ...init });
  const operate = (path: string, method = "GET", body?: object) =>
    call(`/ops/api${path}`, {
      method,
      headers: { authorization: `Bearer ${service.opsToken}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  const read = async <T>(path: string): Promise<T> => {
    const answer = await operate(path);
    assert.equal(answer.status, 200);
    return (await answer.json()) as T;
  };
  const created = async (): Promise<Handout> => {
    const answer = await call("/instances", { method: "POST" });
    assert.equal(answer.status, 201, await answer.clone().text());
    return (await answer.json()) as Handout;
  };
  const end = ({ id, token }: Handout) =>
    call(`/instances/${id}`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
  /** A request that counts for the rate limit and hands out nothing. */
  const refused = ({ origin }: Pick<Replica, "origin">, forwardedFor: string) =>
    fetch(`${origin}/instances`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": forwardedFor },
      body: '{"ttlSeconds":1}',
      signal: AbortSignal.timeout(20_000),
    });
  const statuses = async (answers: Promise<Response>[]) =>
    (await Promise.all(answers)).map(({ status }) => status).sort();
  /** Follows the operator's stream: what it has told so far, and whether it has ended. */
  const follow = async () => {
    const answer = await operate("/stream");
    const stream = { told: "", hasEnded: false };
    void (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of answer.body ?? []) stream.told += decoder.decode(chunk as Uint8Array, { stream: true });
      stream.hasEnded = true;
    })().catch(() => undefined);
    await until("the stream goes", () => stream.told.includes("event: picture"));
    return stream;
  };

  it("answers each example of its reference as the page shows it", async () => {
    const listOpen = async () => (await (await operate("/instances")).json()) as { id: string }[];
    const before = new Set((await listOpen()).map(({ id }) => id));
    const examples = examplesOf(await (await call("/docs")).text());
    assert.ok(examples.length >= 10, `${examples.length} examples`);
    let variables: Record<string, string> = {};
    for (const { command, answer } of examples) {
      const said = await runInShell(command, variables);
      assert.deepEqual(shapeOf(said), shapeOf(answer), `${command}\n${said}`);
      if (variables["ID"] !== undefined) continue;
      const { id, token, password } = JSON.parse(said) as Handout;
      variables = { ID: id, TOKEN: token, PASSWORD: password };
    }
    const made = (await listOpen()).filter(({ id }) => !before.has(id));
    for (const { id } of made)
      await call(`/ops/api/instances/${id}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${service.opsToken}` },
      });
  });

  describe("an instance", () => {
    it("answers to the URL as it is, and to nobody else's password", async () => {
      const [handout, another] = await Promise.all([created(), created()]);
      assert.equal(await ping(handout.url), "PONG");
      await assert.rejects(ping(handout.url.replace(handout.password, another.password)), /WRONGPASS/);
      await Promise.all([end(handout), end(another)]);
    });

    it("comes by the README's lines as they stand there; a refusal is shown, and gets into no file", async () => {
      const readme = await readFile(projectPath("README.md"), "utf8");
      const [, lines = ""] = /```sh\n(url=[^]*?)```/.exec(readme) ?? [];
      const home = await mkdtemp(join(tmpdir(), "readme-"));
      await mkdir(`${home}/my-app`);
      const script = lines.replaceAll("http://127.0.0.1:8080", service.origin);
      const run = (more: string) =>
        new Promise<string>((resolve) => {
          const env = { PATH: process.env["PATH"], HOME: home };
          const shell = execFile("sh", ["-c", `${script}\n${more}`], { env }, (_fault, stdout, stderr) =>
            resolve(stdout + stderr),
          );
          shell.stdin?.end("PING\n");
        });
      const said = await run('. ~/my-app/.env && redis-cli -u "$REDIS_URL" ping && echo "URL $url"');
      assert.match(said, /^PONG\n\{\n[^]*\n\}\nPONG\nURL redis:/);
      const file = await readFile(`${home}/my-app/.env`, "utf8");
      const [, endIt = ""] = /^# to end it: (.*)$/m.exec(file) ?? [];
      const [, password = "", address = ""] = /^URL redis:\/\/default:(.*)@(.*)$/m.exec(said) ?? [];
      const handout = JSON.parse(/^\{\n[^]*?^\}$/m.exec(said)?.[0] ?? "") as Handout;
      await operate("/switches/handouts", "PATCH", { paused: true });
      const ended = await run(
        `${endIt}; curl -sS -u default:${password} -X DELETE ${service.origin}/instances/${address}; ` +
          `curl -sS -u :${handout.token} -X DELETE ${service.origin}/instances/${handout.id}`,
      );
      await operate("/switches/handouts", "PATCH", { paused: false });
      const why = "New instances are paused. The operator";
      assert.deepEqual(
        ended.match(/^.*are paused.*$/gm)?.map((line) => line.slice(0, 37)),
        [why.slice(0, 37), `# ${why}`.slice(0, 37), '  "title": "New instances are paused"'],
        ended,
      );
      assert.equal(await readFile(`${home}/my-app/.env`, "utf8"), file);
      await rm(home, { recursive: true });
      const { running } = (await (await call("/stats")).json()) as { running: number };
      assert.equal(running, 0, "the lines that end them did");
    });

    it("comes, is extended and ends by getaredis of the checkout, which the operator's commands tell", async () => {
      const home = await mkdtemp(join(tmpdir(), "getaredis-cli-"));
      // Reached by a link, from a folder of its user, as on the PATH of an operator's machine.
      await symlink(projectPath("apps/cli/getaredis"), join(home, "getaredis"));
      await writeFile(join(home, "ops-token"), `${service.opsToken}\n`);
      const getaredis = async (...args: string[]) => {
        const env = { PATH: process.env["PATH"], HOME: home, GETAREDIS_API: service.origin };
        const file = join(home, "getaredis");
        return (await promisify(execFile)(file, [...args, "--ops-token-file", "ops-token"], { cwd: home, env })).stdout;
      };
      try {
        const url = (await getaredis("create", "--ttl", "10m", "--url")).trim();
        assert.equal(await ping(url), "PONG");
        const [{ id, expiresAt } = assert.fail("none is kept")] = JSON.parse(
          await getaredis("show", "--json"),
        ) as Handout[];
        const { mode } = await stat(join(home, `.local/state/getaredis/instances/${id}.json`));
        assert.equal(mode & 0o777, 0o600);
        const extended = JSON.parse(await getaredis("extend", id, "2h", "--json")) as Handout;
        assert.ok(extended.expiresAt > expiresAt);
        assert.match(await getaredis("instance", "list"), new RegExp(`^${id} +running `, "m"));
        assert.equal(await getaredis("end", id), `${id} has ended.\n`);
        await assert.rejects(ping(url));
        assert.match(await getaredis("events", "--instance", id), new RegExp(` owner +extend +host-a ${id} `));
      } finally {
        await rm(home, { recursive: true });
      }
    });

    it("is the same one for ten requests with a key that come at once, and another after its end", async () => {
      const ask = async () => {
        const answer = await call("/instances", {
          method: "POST",
          headers: { "idempotency-key": "a-key-sent-at-once" },
        });
        assert.equal(answer.status, 201, await answer.clone().text());
        return (await answer.json()) as Handout;
      };
      const handouts = await Promise.all(Array.from({ length: 10 }, ask));
      assert.equal(new Set(handouts.map((handout) => JSON.stringify(handout))).size, 1);
      const [first] = handouts;
      assert.ok(first);
      assert.equal(await ping(first.url), "PONG");
      assert.equal((await end(first)).status, 204);
      const second = await ask();
      assert.notEqual(second.id, first.id);
      assert.equal(await ping(second.url), "PONG");
      await end(second);
    });

    it("has no container any more when the answer to its end comes", async () => {
      const handout = await created();
      assert.equal((await end(handout)).status, 204);
      await assert.rejects(ping(handout.url));
      const containers = await service.hosts[0]?.docker.listContainers({
        all: true,
        filters: { label: [`getaredis.instance=${handout.id}`] },
      });
      assert.deepEqual(containers, []);
    });
  });

  describe("its console and figures", () => {
    let handout: Handout;
    /** Begun first, since it takes its time. */
    let blocked: Promise<Answer>;
    before(async () => {
      handout = await created();
      blocked = type("BLPOP nothing 0");
      blocked.catch(() => undefined);
    });
    after(() => end(handout));

    const post = (path: "console" | "figures", body: object, { id, token } = handout) =>
      call(`/instances/${id}/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
    const type = async (command: string, more: object = {}): Promise<Answer> => {
      const answer = await post("console", { password: handout.password, command, ...more });
      const text = await answer.text();
      assert.equal(answer.status, 200, text);
      return JSON.parse(text) as Answer;
    };

    it("prints the reply to a command", async () => {
      assert.deepEqual(await type("SET greeting 'hello there'"), {
        text: "OK",
        tone: "reply",
        cutFromBytes: null,
        warning: null,
        database: 0,
        transaction: "none",
      });
      assert.equal((await type("get greeting")).text, '"hello there"');
      assert.deepEqual(await type("NOSUCH"), {
        text: "(error) ERR unknown command 'NOSUCH', with args beginning with: ",
        tone: "error",
        cutFromBytes: null,
        warning: null,
        database: 0,
        transaction: "none",
      });
      assert.equal((await type(" ")).text, "");
      assert.deepEqual(
        [(await type('SET "open')).text, (await type('SET "open')).tone],
        ["Invalid argument(s)", "error"],
      );
    });

    it("has the rights of the owner and no more", async () => {
      for (const command of [
        "CONFIG GET *",
        "ACL LIST",
        "REPLICAOF 127.0.0.1 1",
        "SHUTDOWN",
        "CLIENT PAUSE 100000",
        "MODULE LIST",
        "SAVE",
        "SLOWLOG GET",
      ]) {
        assert.match((await type(command)).text, / is not available here: /, command);
      }
    });

    it("keeps a session's connection, so that SELECT and MULTI work", async () => {
      const session = randomUUID();
      assert.equal((await type("SELECT 4", { session })).database, 4);
      assert.equal((await type("MULTI", { session, database: 4 })).transaction, "begun");
      assert.equal((await type("INCR n", { session, database: 4, transaction: "begun" })).text, "QUEUED");
      assert.deepEqual(await type("EXEC", { session, database: 4, transaction: "begun" }), {
        text: "1) (integer) 1",
        tone: "reply",
        cutFromBytes: null,
        warning: null,
        database: 4,
        transaction: "none",
      });
      assert.equal(
        (await type("GET n", { session: randomUUID(), database: 4 })).text,
        '"1"',
        "another connection finds the database by its number",
      );
    });

    it("runs nothing once the connection with the transaction is gone, and says so", async () => {
      const session = randomUUID();
      await type("MULTI", { session });
      assert.equal((await type("RESET", { session })).transaction, "none");
      const answer = await type("SET lost 1", { session, transaction: "begun" });
      assert.deepEqual([answer.tone, answer.transaction], ["lost", "none"]);
      assert.match(answer.text, /was not run/);
      assert.equal((await type("EXISTS lost")).text, "(integer) 0");
    });

    it("cuts long replies and tells their size", async () => {
      await type("SETRANGE long 1000000 x");
      const { text, cutFromBytes } = await type("GET long");
      assert.ok(text.length <= 65_536 && text.startsWith('"\\x00'));
      assert.equal(cutFromBytes, 1_000_001 + "$1000001\r\n\r\n".length);
    });

    it("tells memory, keys, connections and commands a second", async () => {
      const answer = await post("figures", { password: handout.password });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      const { memoryBytes, keys, opsPerSecond, ...rest } = (await answer.json()) as Record<string, number>;
      assert.ok((memoryBytes ?? 0) > 500_000 && Number.isInteger(opsPerSecond));
      assert.equal(
        keys,
        Number((await type("DBSIZE")).text.replace("(integer) ", "")) +
          Number((await type("DBSIZE", { database: 4 })).text.replace("(integer) ", "")),
      );
      assert.deepEqual([rest["maxMemoryBytes"], rest["maxClients"]], [25 * 1024 * 1024, 50]);
      assert.ok((rest["clients"] ?? -1) >= 0);
    });

    it("says when the instance does not answer", async () => {
      const stopped = await created();
      await service.hosts[0]?.docker.getContainer(`redis-${stopped.id}`).kill({ signal: "SIGSTOP" });
      const { password } = stopped;
      const answers = [post("console", { password, command: "PING" }, stopped), post("figures", { password }, stopped)];
      for (const answer of answers) await assertProblem(await answer, 503, "instance-silent");
    });

    it("leaves no word of passwords and commands in the logs", async () => {
      const requests = () => service.log().split(`/instances/${handout.id}/console`).length;
      const before = requests();
      await type("SET unmistakable-word 1");
      await post("console", { password: "unmistakable-password", command: "PING" });
      // The command that blocks may end meanwhile: with its line there are three.
      await type("PING");
      await until("the requests are logged", () => requests() >= before + 3);
      for (const secret of [handout.password, handout.token, "unmistakable", "greeting"])
        assert.ok(!service.log().includes(secret), secret);
    });

    it("gives up a command that blocks for too long", async () => {
      const answer = await blocked;
      assert.equal(answer.tone, "lost");
      assert.match(answer.text, /^No reply within 10 s/);
      assert.equal((await type("PING")).text, "PONG");
    });
  });

  it("tells holder and operator when an instance has sent all it may, and its host slows it", async () => {
    const [host = assert.fail("there is no host")] = service.hosts;
    const { id, url, token } = (await (await call("/instances", { method: "POST" })).json()) as Handout;
    const read = async () =>
      (await (await call(`/instances/${id}`, { headers: { authorization: `Bearer ${token}` } })).json()) as {
        transfer: { sentBytes: number; limitBytes: number; throttled: boolean };
      };
    assert.equal((await read()).transfer.throttled, false);
    const client = createClient({ url });
    client.on("error", () => undefined);
    await client.connect();
    await client.set("value", "x".repeat(1_000_000));
    for (let time = 0; time < 3; time++) await client.get("value");
    const { transfer } = await until("it has sent all it may", async () => {
      const seen = await read();
      return seen.transfer.throttled ? seen : undefined;
    });
    assert.equal(transfer.limitBytes, 3_000_000);
    assert.ok(transfer.sentBytes >= 3_000_000 && transfer.sentBytes < 3_500_000, `${transfer.sentBytes} bytes`);
    const operator = { headers: { authorization: `Bearer ${service.opsToken}` } };
    const told = await until("the operator is told", async () => {
      const events = (await (await call(`/ops/api/events?instance=${id}`, operator)).json()) as { kind: string }[];
      return events.find(({ kind }) => kind === "transfer-exceeded");
    });
    assert.ok(told);

    await host.exec("env", "TRANSFER_BYTES=3000000", "bash", projectPath("infra/host/transfer.sh"), "look");
    assert.match(
      await host.exec("nft", "list", "set", "bridge", "getaredis_transfer", "exceeding"),
      /elements = \{ \S+ \}/,
    );
    assert.equal(await client.ping(), "PONG");
    client.destroy();
    await call(`/instances/${id}`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
  });

  it("keeps no connection on which nothing came, or half a header, or nothing after an answer", async () => {
    for (const { said, socket } of silent) await until(`"${said}" is closed`, () => socket.closed, 25_000);
  });

  it("answers a body that comes drop by drop by 408, and keeps its connection for no longer", async () => {
    await until("the connection is closed", () => drops.socket.closed, 25_000);
    assert.match(drops.said, /^HTTP\/1\.1 408 [^]*urn:getaredis:unreadable-request/);
  });

  describe("jobs", () => {
    it("show how their last runs came out", async () => {
      const jobs = await until("all have run", async () => {
        const runs = await read<
          {
            job: string;
            startedAt: string;
            finishedAt: string | null;
            succeededAt: string | null;
            fault: string | null;
          }[]
        >("/jobs");
        return runs.length === 11 && runs.every(({ succeededAt }) => succeededAt !== null) ? runs : undefined;
      });
      assert.deepEqual(
        jobs.map(({ job, fault }) => [job, fault]),
        [
          ["announcers", null],
          ["block-list", null],
          ["figures", null],
          ["misuse", null],
          ["notify", null],
          ["prune", null],
          ["reap", null],
          ["reconcile", null],
          ["transfer", null],
          ["warm", null],
          ["workloads", null],
        ],
      );
      for (const { startedAt, succeededAt } of jobs)
        assert.ok(Date.parse(startedAt) >= begunAt && succeededAt !== null);
    });

    it("run when the operator asks", async () => {
      const startOf = async () =>
        (await read<{ job: string; startedAt: string }[]>("/jobs")).find(({ job }) => job === "prune")?.startedAt;
      await until("it has run once", async () => (await startOf()) !== undefined);
      const before = await startOf();
      assert.equal((await operate("/jobs/prune/run", "POST")).status, 202);
      await until("it has run again", async () => (await startOf()) !== before);
    });

    it("tell the metrics when they last succeeded", async () => {
      await until("the jobs have run", async () =>
        /^getaredis_job_last_success_timestamp_seconds\{job_name="reap"\} [1-9]/m.test(
          await (await call("/metrics")).text(),
        ),
      );
    });
  });

  it("shares its rate limits with other replicas", async () => {
    const answers = await statuses(
      Array.from({ length: 2 * LIMIT }, (_, index) => refused(index % 2 ? one : other, "198.51.100.6")),
    );
    assert.deepEqual(answers, [...Array<number>(LIMIT).fill(400), ...Array<number>(LIMIT).fill(429)]);
  });

  it("writes no password, no token and no secret into the log", async () => {
    const { id, password, token } = await created();
    await fetch(`${service.origin}/instances/${id}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${token}` },
    });
    await until("the end is in the log", () => service.log().includes("instance ended by its owner"));
    for (const secret of [password, token, service.opsToken, service.env["SERVER_SECRET"] ?? "?"])
      assert.ok(!service.log().includes(secret));
    for (const line of service.log().trim().split("\n")) assert.doesNotThrow(() => JSON.parse(line) as unknown, line);
  });

  describe("over a restart", () => {
    let stream: Awaited<ReturnType<typeof follow>>;
    let cookie: string;
    let figuresBefore: Figures;
    before(async () => {
      const login = await call("/ops/api/session", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token: service.opsToken }),
      });
      assert.equal(login.status, 200);
      cookie = login.headers.get("set-cookie")?.split(";")[0] ?? assert.fail("a cookie");
      figuresBefore = await figures();
      await end(await created());
      await refused(service, "127.0.0.1");
      stream = await follow();
      await service.endApi("SIGTERM");
      await service.startApi();
    });

    const figures = () => read<Figures>("/figures?span=hour");
    const sum = (values: readonly (number | null)[] | undefined) =>
      (values ?? []).reduce<number>((total, value) => total + (value ?? 0), 0);

    it("does not wait for those who watch the operator's stream, which ends", async () => {
      await until("it has ended", () => stream.hasEnded);
      assert.ok(!service.log().includes("did not finish in time"));
    });

    it("keeps figures of what was handed out and refused", async () => {
      const { handouts, took, times, stepSeconds } = await figures();
      assert.ok(sum(handouts["created"]) > sum(figuresBefore.handouts["created"]));
      assert.ok(sum(handouts["lease-out-of-bounds"]) >= 1);
      assert.ok((took.p50.findLast((value) => value !== null) ?? 0) > 0.005);
      assert.deepEqual([times.length, stepSeconds], [60, 60]);
    });

    it("keeps the operator's login, on every replica, and its secret out of the log", async () => {
      for (const { origin } of [service, one])
        assert.equal((await fetch(`${origin}/ops/api/hosts`, { headers: { cookie } })).status, 200);
      assert.ok(!service.log().includes(cookie.split("=")[1] ?? "?"));
    });
  });

  describe("while Redis is away", () => {
    before(() => service.services.killRedis());

    it("limits nobody", async () => {
      const started = performance.now();
      const answers = await statuses(Array.from({ length: 3 * LIMIT }, () => refused(one, "198.51.100.7")));
      assert.deepEqual(answers, Array(3 * LIMIT).fill(400));
      assert.ok(performance.now() - started < 3_000);
    });

    it("/readyz says which, answers 503, and is well again without a restart", async () => {
      await until("Redis and then the hosts are not seen", async () => {
        const answer = await call("/readyz");
        const { ready, checks } = (await answer.json()) as { ready: boolean; checks: Record<string, string> };
        return (
          answer.status === 503 &&
          !ready &&
          checks["redis"] === "does not answer" &&
          checks["hosts"] === "unseen" &&
          checks["mysql"] === "ok"
        );
      });
      await service.stopHeartbeats().catch(() => undefined);
      await service.services.startRedis();
      await service.startHeartbeats();
      await until("it is ready", async () => (await call("/readyz")).status === 200);
    });
  });

  // Last: everything else wants it up.
  describe("while MySQL is away", () => {
    let stream: Awaited<ReturnType<typeof follow>>;
    before(async () => {
      stream = await follow();
      await service.services.killMysql();
    });

    it("/readyz says so and answers 503", async () => {
      const answer = await until("it is not ready", async () => {
        const asked = await call("/readyz");
        return asked.status === 503 ? asked : undefined;
      });
      assert.deepEqual(await answer.json(), {
        ready: false,
        checks: { mysql: "does not answer", redis: "ok", hosts: "ok" },
      });
    });

    it("what needs MySQL is refused with the time to come back, in words without innards", async () => {
      for (const [path, init] of [
        ["/stats", {}],
        ["/instances", { method: "POST" }],
        ["/instances/0000000000000000", { headers: { authorization: "Bearer x" } }],
        ["/ops/api/jobs", { headers: { authorization: `Bearer ${service.opsToken}` } }],
      ] as const) {
        const answer = await call(path, init);
        assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
        await assertProblem(answer, 503, "unavailable");
      }
    });

    it("/healthz, the page and the metrics of the process itself still come", async () => {
      assert.equal((await call("/healthz")).status, 200);
      assert.equal((await call("/")).status, 200);
      const metrics = await call("/metrics");
      assert.equal(metrics.status, 200);
      const text = await metrics.text();
      assert.match(text, /^getaredis_handouts_total\{/m);
      assert.doesNotMatch(text, /^getaredis_instances_running /m, "what is not known is not told");
    });

    it("the operator's stream says so, and goes on when it is back", async () => {
      await until("silence is told", () => stream.told.includes("event: silence"));
      const told = stream.told.length;
      await service.services.startMysql();
      await until("it goes on", () => /event: (change|picture)/.test(stream.told.slice(told)), 20_000);
      assert.equal(stream.hasEnded, false);
    });
  });
});
