import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { SMTPServer } from "smtp-server";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import { createWebhook } from "../../apps/adapters/webhook/webhook.ts";
import { deliver } from "../../apps/core/notifications/deliver.ts";
import { registerHost } from "../../apps/core/fleet/register-host.ts";
import type { Store } from "../../apps/core/store.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { isCommand } from "../../infra/servers/system-packages.ts";
import { compileCache } from "../bed/compile-cache.ts";
import { createTwinApi } from "../bed/twin-api.ts";
import { startServices, type Services } from "../bed/services.ts";
import { until } from "../bed/until.ts";
import { launchChromium, seriousViolations, visit } from "./chromium.ts";

type Received = { readonly id: string; readonly headers: Record<string, string>; readonly body: string };

const run = promisify(execFile);
const key = randomBytes(32);
const SECRET = `whsec_${key.toString("base64")}`;
const PATH_SECRET = "path-that-nobody-may-know";

/** The job, its outbox in a real MariaDB, and real receivers. */
describe("notifications", () => {
  let services: Services;
  let mysqlUrl: string;
  let store: Store;
  let receiver: Server;
  const received: Received[] = [];
  /** What the receiver does with a request; answers 200 when it is not given. */
  let react: ((reply: ServerResponse) => void) | undefined;
  let mailServer: SMTPServer;
  const mails: string[] = [];
  const output: string[] = [];
  const jobs: ChildProcess[] = [];
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-notifications-"));
    services = await startServices();
    mysqlUrl = services.mysqlUrl;
    await migrate(mysqlUrl);
    store = createMysqlStore(mysqlUrl);
    receiver = createServer((request, reply) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const headers = request.headers as Record<string, string>;
        received.push({ id: headers["webhook-id"] ?? "", headers, body });
        if (react) react(reply);
        else reply.end();
      });
    });
    receiver.listen(0, "127.0.0.1");
    await once(receiver, "listening");
    mailServer = new SMTPServer({
      authOptional: true,
      disabledCommands: ["STARTTLS", "AUTH"],
      onData: (stream, _session, done) => {
        let text = "";
        stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
        stream.on("end", () => {
          mails.push(text);
          done();
        });
      },
    });
    mailServer.listen(0, "127.0.0.1");
    await once(mailServer.server, "listening");
  });
  after(async () => {
    await Promise.all(jobs.map(end));
    receiver.closeAllConnections();
    receiver.close();
    await new Promise<void>((resolve) => mailServer.close(() => resolve()));
    await store.disconnect();
    await services.stop();
    await rm(dir, { recursive: true });
  });

  const url = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/${PATH_SECRET}`;

  /** Delivers as a process of its own does, `seconds` after now. */
  async function deliverIn(seconds: number, from: Store = store): Promise<void> {
    const clock = () => new Date(Date.now() + seconds * 1000);
    const webhook = createWebhook({ url: url(), key, timeoutMs: 2_000, clock: () => new Date() });
    await deliver(
      { store: from, send: { webhook }, clock, chance: () => 0.5 },
      { timeoutMs: 2_000, giveUpMs: 86_400_000, mailGapMs: 0 },
    );
  }

  const add = (messageId: string) =>
    store.notifications.add(
      { messageId, channel: "webhook", type: "host.lost", payload: `{"of":"${messageId}"}` },
      new Date(),
    );

  function startJobs(): ChildProcess {
    const child = spawn("setpriv", ["--pdeathsig", "TERM", process.execPath, projectPath("apps/jobs/main.ts")], {
      env: {
        PATH: process.env["PATH"],
        ...compileCache(),
        MYSQL_URL: mysqlUrl,
        REDIS_URL: services.redisUrl,
        SERVER_SECRET: randomBytes(16).toString("hex"),
        INSTANCE_IMAGE: "image",
        WARM_POOL_MAX: "0",
        WEBHOOK_URL: url(),
        WEBHOOK_SECRET: SECRET,
        SMTP_URL: `smtp://127.0.0.1:${(mailServer.server.address() as AddressInfo).port}`,
        MAIL_FROM: "service@example.org",
        MAIL_TO: "operator@example.org",
        NOTIFY_AFTER_SECONDS: "0",
        NOTIFY_TIMEOUT_SECONDS: "1",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => output.push(chunk.toString()));
    jobs.push(child);
    return child;
  }

  it("are signed, and tried again with the same id until the receiver takes them", async () => {
    const answers = [500, 500, 200];
    react = (reply) => reply.writeHead(answers.shift() ?? 200).end();
    await add("msg_again");
    for (const seconds of [0, 5, 11, 45, 60]) await deliverIn(seconds);
    react = undefined;
    assert.deepEqual(
      received.map(({ id }) => id),
      ["msg_again", "msg_again", "msg_again"],
    );
    for (const { id, headers, body } of received) {
      const signed = createHmac("sha256", key).update(`${id}.${headers["webhook-timestamp"]}.${body}`).digest("base64");
      assert.equal(headers["webhook-signature"], `v1,${signed}`);
    }
    const message = await store.notifications.find("msg_again", "webhook");
    assert.deepEqual([message?.state, message?.attempts], ["sent", 3]);
  });

  it("are sent once by several processes that deliver at once", async () => {
    received.length = 0;
    const ids = Array.from({ length: 12 }, (_, index) => `msg_${index}`);
    for (const id of ids) await add(id);
    const other = createMysqlStore(mysqlUrl);
    await Promise.all([deliverIn(0), deliverIn(0, other), deliverIn(0)]);
    await other.disconnect();
    assert.deepEqual(received.map(({ id }) => id).sort(), ids.toSorted());
  });

  it("of a host that is lost come by webhook and mail; a process killed while it sends loses none", async () => {
    received.length = 0;
    const host = { publicHost: "127.0.0.1", checkHost: "127.0.0.1", bindAddress: "127.0.0.1", capacity: 8 };
    await registerHost(
      { store, clock: () => new Date() },
      { name: "host-a", engineUrl: "tcp://127.0.0.1:1", basePort: 20_000, ...host },
    );
    // The receiver holds its answer back, and the sender dies meanwhile.
    const held: ServerResponse[] = [];
    react = (reply) => void held.push(reply);
    const killed = startJobs();
    await until("a message is on its way", () => held.length > 0, 20_000);
    killed.kill("SIGKILL");
    react = undefined;
    const lost = received.find(({ body }) => body.includes("host.lost")) ?? received[0];
    startJobs();
    // By then the time is over for which the dead process had it.
    await until(
      "it comes again",
      () => received.filter(({ id, body }) => id === lost?.id && body.includes("host.lost")).length >= 2,
      40_000,
    );
    const { type, data } = JSON.parse(lost?.body ?? "{}") as { type: string; data: Record<string, unknown> };
    assert.deepEqual([type, data["alarm"], data["kind"]], ["host.lost", "host:host-a", "host-silent"]);
    await until("the mail has come", () => mails.some((mail) => mail.includes("host.lost")), 20_000);
    assert.match(mails.join(""), /^Subject: \[Get a Redis\] /m);
    assert.equal(
      received.filter(({ body }) => body.includes("host.lost")).every(({ id }) => id === lost?.id),
      true,
    );
  });

  it("leave no secret in the log", () => {
    assert.match(output.join(""), /alarms told/);
    for (const secret of [SECRET, key.toString("base64"), PATH_SECRET]) assert.ok(!output.join("").includes(secret));
  });

  it("are checked by what docs/notifications.md has for Node and Python", async () => {
    const docs = await readFile(projectPath("docs/notifications.md"), "utf8");
    const codeOf = (language: string) => new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(docs)?.[1] ?? "";
    const id = "msg_docs";
    await add(id);
    received.length = 0;
    await deliverIn(0);
    await until("it has come", () => received.find((each) => each.id === id));
    const { headers, body } = received.find((each) => each.id === id) ?? assert.fail("it has come");
    const given = join(dir, "given.json");
    const cases = [
      { secret: SECRET, headers, body },
      { secret: SECRET, headers, body: `${body} ` },
      { secret: `whsec_${randomBytes(32).toString("base64")}`, headers, body },
      { secret: SECRET, headers: { ...headers, "webhook-timestamp": "1767225600" }, body },
    ];
    await writeFile(given, JSON.stringify(cases));
    const node = join(dir, "check.mjs");
    await writeFile(
      node,
      `${codeOf("js")}
      import { readFileSync } from "node:fs";
      const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
      console.log(JSON.stringify(cases.map(({ secret, headers, body }) => isGenuine(secret, headers, body))));`,
    );
    const python = join(dir, "check.py");
    await writeFile(
      python,
      `${codeOf("python")}
import json, sys
cases = json.load(open(sys.argv[1]))
print(json.dumps([is_genuine(each["secret"], each["headers"], each["body"].encode()) for each in cases]))\n`,
    );
    assert.ok(await isCommand("python3"));
    for (const [command, file] of [
      [process.execPath, node],
      ["python3", python],
    ] as const)
      assert.deepEqual(JSON.parse((await run(command, [file, given])).stdout), [true, false, false, false], command);
  });
});

/** The page, on a service in memory: who sends is a stand-in for the process that runs the jobs. */
describe("notifications on the operators' page", () => {
  it("show where they go, and send a test whose outcome stays on the page", async () => {
    const env = { WEBHOOK_URL: "https://example.org/hooks/a", WEBHOOK_SECRET: SECRET };
    const api = await createTwinApi({ env });
    const faults = [undefined, "the receiver answered 500"];
    const send = { webhook: () => Promise.resolve(faults.shift()) };
    const rules = { timeoutMs: 1000, giveUpMs: 86_400_000, mailGapMs: 0 };
    const { elsewhere, clock, before: beforeCall } = api.service;
    beforeCall.set("notifications.find", () => deliver({ store: elsewhere, send, clock, chance: () => 0.5 }, rules));
    const browser = await launchChromium();
    try {
      const { page, faults: pageFaults, close } = await visit(browser, `${await api.listen()}/ops`);
      await page.fill("#token", api.opsToken);
      await page.click("[data-log-in] button");
      const line = page.locator("[data-notifications] li");
      assert.match((await line.textContent()) ?? "", /^Webhookhttps:\/\/example\.orgSend a test$/);
      const result = line.locator("[data-result]");
      for (const said of [/: Delivered\.$/, /: Not delivered: the receiver answered 500\.$/]) {
        await line.locator("button").click();
        await until("the outcome is shown", async () => said.test((await result.textContent()) ?? ""));
      }
      assert.equal(await page.locator(":focus").textContent(), "Send a test", "the focus stays");
      assert.deepEqual(await seriousViolations(page), []);
      assert.deepEqual(pageFaults, []);
      await close();
    } finally {
      await browser.close();
      await api.close();
    }
  });
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGTERM");
  await closed;
}
