import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { connect, type ConnectionOptions, type PeerCertificate } from "node:tls";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { extract } from "tar-stream";
import { SCALING } from "../../apps/core/fleet/scaling.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import type { Store } from "../../apps/core/store.ts";
import { createLeadership, type Leadership } from "../../apps/adapters/mysql/leadership.ts";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { hashSecret } from "../../apps/lib/secrets.ts";
import { heartbeatPassword } from "../../apps/core/fleet/heartbeat-user.ts";
import { freePort } from "../../infra/process/free-port.ts";
import { ensurePki } from "../../infra/pki/ensure-pki.ts";
import { assertProblem } from "../api/assert-problem.ts";
import { startServices, type Services } from "../bed/services.ts";
import { until } from "../bed/until.ts";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../apps/enrolment/main.ts", import.meta.url));
const SERVER_SECRET = "a secret of sixteen and more";

describe("the enrolment of hosts", () => {
  let dir: string;
  let services: Services;
  let store: Store;
  let leadership: Leadership;
  let ca: string;
  let port: number;
  let env: Record<string, string>;
  let child: ChildProcess;
  let log = "";
  const undo: (() => Promise<unknown>)[] = [];
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-enrolment-"));
    undo.push(() => rm(dir, { recursive: true, force: true }));
    await ensurePki(join(dir, "pki"), { enrolmentNames: ["127.0.0.1"], now: new Date() });
    ca = await readFile(join(dir, "pki", "ca.pem"), "utf8");
    services = await startServices();
    undo.push(() => services.stop());
    const { mysqlUrl } = services;
    await migrate(mysqlUrl);
    store = createMysqlStore(mysqlUrl);
    undo.push(() => store.disconnect());
    leadership = createLeadership(mysqlUrl, SCALING);
    undo.push(() => leadership.resign());
    port = await freePort();
    env = {
      PATH: process.env.PATH ?? "",
      MYSQL_URL: mysqlUrl,
      REDIS_URL: services.redisUrl,
      SERVER_SECRET,
      PKI_DIR: join(dir, "pki"),
      ENROLMENT_PORT: String(port),
      LOG_LEVEL: "trace",
      HTTP_CONNECTIONS_PER_ADDRESS: "20",
    };
    child = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "pipe"] });
    const ended = once(child, "exit");
    undo.push(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (log += chunk.toString()));
    await until("it answers", async () => (await ask({ method: "GET", path: "/healthz" })).status === 200).catch(
      (cause: unknown) => Promise.reject(new Error(log, { cause })),
    );
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  // A leader steps down when MySQL goes; it leads again.
  const order = async (token: string): Promise<string> => {
    const term = await until("we lead", () => leadership.term());
    return (
      (await store.droplets.addOrder(
        term,
        { namePrefix: "fleet", region: "fra1", size: "small", tokenHash: hashSecret(token), cap: 100 },
        new Date(),
      )) ?? assert.fail("it was ordered")
    );
  };
  let tokens = 0;
  const newToken = () => `token-${tokens++}-of-a-host`.padEnd(32, "x");
  /** As the script in user-data makes them. */
  const newRequest = async (key = join(dir, "host-key.pem")) =>
    (
      await run("openssl", [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
        "-subj",
        "/CN=any",
      ])
    ).stdout;

  // Each test asks from an address of its own, for they are limited by address.
  let addresses = 0;
  const newAddress = () => `127.1.${Math.floor(++addresses / 200)}.${addresses % 200}`;
  const ask = async ({
    method = "POST",
    path,
    headers = {},
    body = "",
    from = "127.0.0.1",
  }: {
    method?: string;
    path: string;
    headers?: Record<string, string>;
    body?: string;
    from?: string;
  }): Promise<Response> => {
    const sent = request({ host: "127.0.0.1", port, ca, method, path, headers, localAddress: from, agent: false });
    sent.end(body);
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    return new Response(await buffer(answer), {
      status: answer.statusCode ?? 0,
      headers: answer.headers as Record<string, string>,
    });
  };
  const enrol = (name: string, token: string | undefined, body: string, from: string, type = "application/pkcs10") =>
    ask({
      path: `/hosts/${name}/enrolment`,
      headers: { "content-type": type, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      body,
      from,
    });

  it("gives a booting host its certificate and its heartbeat's password, by what every system image has", async () => {
    const token = newToken();
    const name = await order(token);
    const [keyFile, csrFile, caFile] = ["key.pem", "csr.pem", "pki/ca.pem"].map((file) => join(dir, file)) as [
      string,
      string,
      string,
    ];
    await writeFile(csrFile, await newRequest(keyFile));
    const fetch =
      `curl -fsS --cacert '${caFile}' -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/pkcs10' ` +
      `--data-binary '@${csrFile}' https://127.0.0.1:${port}/hosts/${name}/enrolment | tar -xf - -C '${dir}'`;
    await run("bash", ["-o", "pipefail", "-c", fetch]);

    const certificate = new X509Certificate(await readFile(join(dir, "server.pem")));
    assert.deepEqual([certificate.subject, certificate.subjectAltName], [`CN=${name}`, `DNS:${name}`]);
    await run("openssl", [
      "verify",
      "-purpose",
      "sslserver",
      "-verify_hostname",
      name,
      "-CAfile",
      caFile,
      join(dir, "server.pem"),
    ]);
    const [inCertificate, ofKey] = await Promise.all([
      run("openssl", ["x509", "-noout", "-pubkey", "-in", join(dir, "server.pem")]),
      run("openssl", ["pkey", "-pubout", "-in", keyFile]),
    ]);
    assert.equal(inCertificate.stdout, ofKey.stdout);

    const password = await readFile(join(dir, "heartbeat-password"), "utf8");
    assert.equal(password, heartbeatPassword(SERVER_SECRET, name));
    const { hostname, port: redisPort } = new URL(services.redisUrl);
    const redis = new Redis({
      host: hostname,
      port: Number(redisPort),
      username: `host-${name}`,
      password,
      lazyConnect: true,
      enableReadyCheck: false,
    });
    redis.on("error", () => undefined);
    try {
      await redis.connect();
      assert.equal(await redis.set(`host:${name}`, "beat", "EX", 10), "OK");
      await assert.rejects(redis.set("host:another", "beat", "EX", 10), /NOPERM/);
    } finally {
      redis.disconnect();
    }
  });

  it("answers the same key again, and no other key with the same token", async () => {
    const [token, from] = [newToken(), newAddress()];
    const name = await order(token);
    const csr = await newRequest();
    const [first, second] = [await enrol(name, token, csr, from), await enrol(name, token, csr, from)];
    assert.deepEqual([first.status, second.status], [200, 200]);
    const [one, two] = [await filesIn(first), await filesIn(second)];
    assert.deepEqual(Object.keys(one), ["server.pem", "heartbeat-password"]);
    assert.equal(one["heartbeat-password"], two["heartbeat-password"]);
    await assertProblem(await enrol(name, token, await newRequest(), from), 401, "token-wrong");
    assert.equal((await enrol(name, token, csr, from)).status, 200);
  });

  it("lets one of two keys in that come at the same time", async () => {
    const [token, from] = [newToken(), newAddress()];
    const name = await order(token);
    const requests = await Promise.all([1, 2, 3, 4].map((number) => newRequest(join(dir, `key-${number}.pem`))));
    const statuses = await Promise.all(
      requests.map((csr) => enrol(name, token, csr, from).then(({ status }) => status)),
    );
    assert.deepEqual(statuses.sort(), [200, 401, 401, 401]);
  });

  it("refuses a caller without the token of that host, and never reveals which hosts there are", async () => {
    const [token, otherToken, from] = [newToken(), newToken(), newAddress()];
    const [name] = [await order(token), await order(otherToken)];
    const csr = await newRequest();
    await assertProblem(await enrol(name, undefined, csr, from), 401, "token-missing");
    const details = [
      await assertProblem(await enrol(name, "guessed", csr, from), 401, "token-wrong"),
      await assertProblem(await enrol(name, otherToken, csr, from), 401, "token-wrong"),
      await assertProblem(await enrol("fleet-999999", token, csr, from), 401, "token-wrong"),
    ];
    assert.equal(new Set(details).size, 1);
    assert.equal((await enrol(name, token, csr, from)).status, 200, "none of that has used the token up");
  });

  it("refuses the token of a host that is not booting any more", async () => {
    const [token, from] = [newToken(), newAddress()];
    const name = await order(token);
    const csr = await newRequest();
    assert.equal((await enrol(name, token, csr, from)).status, 200);
    await store.droplets.closeOrder(name, "too slow", false, new Date());
    await assertProblem(await enrol(name, token, csr, from), 401, "token-wrong");
  });

  it("says what is wrong with a request", async () => {
    const [token, from] = [newToken(), newAddress()];
    const name = await order(token);
    const csr = await newRequest();
    assert.match(
      await assertProblem(await enrol(name, token, "", from), 400, "invalid-request"),
      /certificate request in PEM/,
    );
    assert.match(
      await assertProblem(await enrol(name, token, csr.replace(/^MI/m, "MJ"), from), 400, "invalid-request"),
      /cannot be read|not signed/,
    );
    assert.match(
      await assertProblem(
        await enrol(name, token, JSON.stringify({ csr }), from, "application/json"),
        415,
        "unreadable-request",
      ),
      /application\/pkcs10/,
    );
    assert.match(
      await assertProblem(await enrol(name, token, csr.repeat(30), from), 413, "unreadable-request"),
      /8 KiB/,
    );
    for (const path of [
      "/hosts/Fleet_1/enrolment",
      "/hosts/../enrolment",
      "/hosts/%E0%A4%A/enrolment",
      "/hosts/fleet-1",
      "/",
    ]) {
      const { status } = await ask({
        path,
        headers: { "content-type": "application/pkcs10", authorization: `Bearer ${token}` },
        body: csr,
        from,
      });
      assert.ok(status === 404 || status === 400, `${path}: ${status}`);
    }
    await assertProblem(await ask({ method: "GET", path: `/hosts/${name}/enrolment`, from }), 404, "not-found");
    assert.equal((await enrol(name, token, csr, from)).status, 200);
  });

  it("asks to come back while Redis or MySQL is away, and nothing is lost by it", async () => {
    const [token, from] = [newToken(), newAddress()];
    const name = await order(token);
    const csr = await newRequest();
    const isAway = async () => {
      const answer = await enrol(name, token, csr, from);
      assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
      await assertProblem(answer, 503, "unavailable");
    };
    await services.killRedis();
    try {
      await isAway();
    } finally {
      await services.startRedis();
    }
    // From other addresses, or asking again would run into the limit.
    await until(
      "Redis is used again",
      () => enrol(name, token, csr, newAddress()).then(({ status }) => status === 200),
      20_000,
    );
    await services.killMysql();
    try {
      await isAway();
    } finally {
      await services.startMysql();
    }
    await until(
      "MySQL is used again",
      () => enrol(name, token, csr, newAddress()).then(({ status }) => status === 200),
      20_000,
    );
  });

  it("lets an address try 30 times a minute, and others go on", async () => {
    const from = newAddress();
    const csr = await newRequest();
    for (let attempt = 0; attempt < 30; attempt++)
      assert.equal((await enrol("fleet-1", "guessed", csr, from)).status, 401);
    const answer = await enrol("fleet-1", "guessed", csr, from);
    assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
    await assertProblem(answer, 429, "rate-limited");
    assert.equal((await enrol("fleet-1", "guessed", csr, newAddress())).status, 401);
    assert.equal((await ask({ method: "GET", path: "/healthz", from })).status, 200);
  });

  it("bounds the connections of an address, and the idle ones do not keep its next one out", async () => {
    const from = newAddress();
    const idle = Array.from({ length: 60 }, () => connectTcp({ host: "127.0.0.1", port, localAddress: from }));
    try {
      for (const socket of idle) socket.on("error", () => undefined).resume();
      await until("those beyond are closed", () => idle.filter(({ closed }) => closed).length >= 40);
      const [first] = idle.filter(({ closed }) => !closed);
      assert.ok(first, "not all are closed");
      // Within TLS, too, which has a socket of its own for the same connection.
      const held = Array.from({ length: 30 }, () =>
        connect({ host: "127.0.0.1", port, ca, localAddress: from } as object),
      );
      idle.push(...held);
      for (const socket of held) socket.on("error", () => undefined).resume();
      await until("those beyond are closed", () => held.filter(({ closed }) => closed).length >= 10);
      assert.equal((await ask({ method: "GET", path: "/healthz", from })).status, 200);
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });

  it("speaks TLS 1.2 and later only, as who it is", async () => {
    const speak = (options: object) => handshake({ host: "127.0.0.1", port, ca, ...options });
    assert.equal((await speak({ minVersion: "TLSv1.2", maxVersion: "TLSv1.2" })).subject.CN, "Get a Redis enrolment");
    await assert.rejects(
      speak({ minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }),
      /alert protocol version/,
    );
    await assert.rejects(speak({ ca: undefined }), /self-signed|unable to verify/);
    await assert.rejects(speak({ servername: "localhost" }), /altnames/);
  });

  it("shows a renewed certificate without a restart", async () => {
    const serial = async () => (await handshake({ host: "127.0.0.1", port, ca })).serialNumber;
    const before = await serial();
    await ensurePki(join(dir, "pki"), { enrolmentNames: ["enrolment.internal"], now: new Date() });
    await until("the new one is shown", async () => (await serial()) !== before, 15_000);
    const [token, from] = [newToken(), newAddress()];
    assert.equal((await enrol(await order(token), token, await newRequest(), from)).status, 200);
  });

  it("writes who enrolled and who was refused, and no secret", () => {
    assert.match(log, /"host":"fleet-1","address":"127\.0\.0\.1","ms":\d+,"msg":"host enrolled"/);
    assert.match(log, /"address":"127\.1\.\d+\.\d+","reason":"[^"]+","msg":"enrolment refused"/);
    assert.doesNotMatch(log, /token-\d+-of-a-host|guessed|BEGIN|Bearer/);
    const passwords = [
      SERVER_SECRET,
      heartbeatPassword(SERVER_SECRET, "fleet-1"),
      new URL(services.redisUrl).password,
      new URL(env["MYSQL_URL"] ?? "").password,
    ];
    for (const password of passwords) assert.ok(password.length > 8 && !log.includes(password));
  });

  it("does not start without its certificates, and says why", async () => {
    const start = run(process.execPath, [MAIN], { env: { ...env, PKI_DIR: join(dir, "nothing") } });
    await assert.rejects(
      start,
      (fault: { code: number; stderr: string }) => fault.code !== 0 && fault.stderr.includes(join(dir, "nothing")),
    );
  });

  it("stops when it is told to, although clients keep connections", async () => {
    const idle = connect({ host: "127.0.0.1", port, ca });
    idle.on("error", () => undefined);
    await once(idle, "secureConnect");
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
    idle.destroy();
  });
});

async function filesIn(answer: Response): Promise<Record<string, string>> {
  assert.equal(answer.headers.get("content-type"), "application/x-tar");
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const reading = extract();
  reading.end(Buffer.from(await answer.arrayBuffer()));
  const files: Record<string, string> = {};
  for await (const entry of reading) files[entry.header.name] = String(await buffer(entry));
  return files;
}

async function handshake(options: ConnectionOptions): Promise<PeerCertificate> {
  const socket = connect(options);
  try {
    await once(socket, "secureConnect");
    return socket.getPeerCertificate();
  } finally {
    socket.destroy();
  }
}
