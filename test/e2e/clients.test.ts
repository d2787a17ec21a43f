import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { Queue, QueueEvents, Worker, type Job } from "bullmq";
import { Redis } from "ioredis";
import { createClient, defineScript } from "redis";
import { projectPath } from "../../infra/process/project-path.ts";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";
import { launchChromium, visit } from "./chromium.ts";

const run = promisify(execFile);

/** Each client gets what a person gets: the URL and nothing else. */
describe("popular clients with the URL that people get", { timeout: 120_000 }, () => {
  let service: Service;
  let url = "";

  before(async () => {
    service = await startService();
    const answer = await fetch(`${service.origin}/instances`, { method: "POST", headers: { accept: "text/plain" } });
    assert.equal(answer.status, 201);
    url = (await answer.text()).trim();
  });
  after(() => service.stop());

  describe("ioredis", () => {
    /** Runs a test with two connections. */
    const withRedis = (test: (redis: Redis, other: Redis) => Promise<void>) => async () => {
      const redis = new Redis(url);
      const other = redis.duplicate();
      try {
        await test(redis, other);
      } finally {
        redis.disconnect();
        other.disconnect();
      }
    };

    it(
      "pipelines and transacts",
      withRedis(async (redis, other) => {
        assert.deepEqual(await redis.pipeline().set("a", 1).incr("a").get("a").exec(), [
          [null, "OK"],
          [null, 2],
          [null, "2"],
        ]);
        assert.deepEqual(await redis.multi().lpush("list", "x", "y").lrange("list", 0, -1).exec(), [
          [null, 2],
          [null, ["y", "x"]],
        ]);
        await redis.watch("a");
        await other.set("a", "changed");
        assert.equal(await redis.multi().get("a").exec(), null);
      }),
    );

    it(
      "publishes and subscribes, to channels and to patterns",
      withRedis(async (redis, listener) => {
        await listener.subscribe("news");
        await listener.psubscribe("weather.*");
        const message = once(listener, "message");
        const weather = once(listener, "pmessage");
        assert.equal(await redis.publish("news", "hello"), 1);
        assert.equal(await redis.publish("weather.today", "rain"), 1);
        assert.deepEqual(await message, ["news", "hello"]);
        assert.deepEqual(await weather, ["weather.*", "weather.today", "rain"]);
      }),
    );

    it(
      "reads streams in consumer groups",
      withRedis(async (redis) => {
        await redis.xgroup("CREATE", "stream", "group", "$", "MKSTREAM");
        const id = await redis.xadd("stream", "*", "field", "value");
        const read = await redis.xreadgroup("GROUP", "group", "consumer", "COUNT", 1, "STREAMS", "stream", ">");
        assert.deepEqual(read, [["stream", [[id, ["field", "value"]]]]]);
        assert.equal(await redis.xack("stream", "group", id ?? ""), 1);
      }),
    );

    it(
      "scans, sorts, and waits on lists",
      withRedis(async (redis, waiting) => {
        await redis.mset(Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`scan:${index}`, index])));
        let found = 0;
        for await (const keys of redis.scanStream({ match: "scan:*", count: 100 })) found += (keys as string[]).length;
        assert.equal(found, 500);
        await redis.rpush("numbers", 3, 1, 2);
        assert.deepEqual(await redis.sort("numbers"), ["1", "2", "3"]);
        const popped = waiting.blpop("later", 5);
        await redis.rpush("later", "now");
        assert.deepEqual(await popped, ["later", "now"]);
      }),
    );

    it(
      "defines commands in Lua, throws them away and defines them again",
      withRedis(async (redis) => {
        redis.defineCommand("double", {
          numberOfKeys: 1,
          lua: "return redis.call('INCRBY', KEYS[1], redis.call('GET', KEYS[1]))",
        });
        const { double } = redis as Redis & { double: (key: string) => Promise<number> };
        await redis.set("number", 21);
        assert.equal(await double.call(redis, "number"), 42);
        assert.equal(await redis.script("FLUSH"), "OK");
        assert.equal(await double.call(redis, "number"), 84);
      }),
    );
  });

  describe("node-redis", () => {
    it("sets, transacts, publishes, iterates and runs scripts", async () => {
      const scripts = {
        add: defineScript({
          SCRIPT: "return tonumber(ARGV[1]) + tonumber(ARGV[2])",
          NUMBER_OF_KEYS: 0,
          parseCommand: (parser, left: number, right: number) => parser.push(String(left), String(right)),
          transformReply: (reply: number) => reply,
        }),
      };
      const client = createClient({ url, scripts });
      const listener = client.duplicate();
      try {
        await client.connect();
        assert.equal(await client.set("node", "redis", { expiration: { type: "EX", value: 60 } }), "OK");
        assert.deepEqual(await client.multi().get("node").incr("count").exec(), ["redis", 1]);
        assert.equal(await client.add(1, 2), 3);
        await client.hSet("hash", { one: "1", two: "2" });
        assert.deepEqual({ ...(await client.hGetAll("hash")) }, { one: "1", two: "2" });
        await listener.connect();
        const heard = new Promise<string>((resolve, reject) => {
          listener.subscribe("node-news", resolve).then(() => client.publish("node-news", "hello"), reject);
        });
        assert.equal(await heard, "hello");
        let found = 0;
        for await (const keys of client.scanIterator({ MATCH: "hash*" })) found += keys.length;
        assert.equal(found, 1);
      } finally {
        listener.destroy();
        client.destroy();
      }
    });

    it("speaks RESP3, with a cache on the client's side", async () => {
      const client = createClient({ url, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: "LRU" } });
      const other = createClient({ url });
      try {
        await Promise.all([client.connect(), other.connect()]);
        await other.set("cached", "old");
        assert.equal(await client.get("cached"), "old");
        await other.set("cached", "new");
        await until("the change is seen", async () => (await client.get("cached")) === "new");
      } finally {
        client.destroy();
        other.destroy();
      }
    });
  });

  describe("BullMQ", () => {
    it("queues, delays, repeats, retries, limits the rate and lists workers", async () => {
      const connection = { url, maxRetriesPerRequest: null };
      const complaints: string[] = [];
      const done: string[] = [];
      let failures = 0;
      const queue = new Queue("work", { connection });
      const events = new QueueEvents("work", { connection });
      const work = (job: Job) => {
        if (job.name === "flaky" && failures++ === 0) return Promise.reject(new Error("once"));
        done.push(job.name);
        return Promise.resolve({ done: job.name });
      };
      const worker = new Worker("work", work, {
        connection,
        name: "worker-one",
        limiter: { max: 50, duration: 200 },
        removeOnComplete: { count: 10 },
      });
      const { warn } = console;
      console.warn = (...words: unknown[]) => complaints.push(words.join(" "));
      try {
        worker.on("error", (error) => complaints.push(error.message));
        await Promise.all([queue.waitUntilReady(), worker.waitUntilReady(), events.waitUntilReady()]);
        const job = await queue.add("plain", { n: 1 });
        assert.deepEqual(await job.waitUntilFinished(events, 10_000), { done: "plain" });
        const retried = await queue.add("flaky", {}, { attempts: 3, backoff: { type: "fixed", delay: 50 } });
        assert.deepEqual(await retried.waitUntilFinished(events, 10_000), { done: "flaky" });
        await queue.add("delayed", {}, { delay: 200 });
        await queue.upsertJobScheduler("scheduler", { every: 100 }, { name: "repeated" });
        await until(
          "the delayed job is done, and the repeated one more than once",
          () => done.includes("delayed") && done.filter((name) => name === "repeated").length > 1,
        );
        assert.equal(await queue.removeJobScheduler("scheduler"), true);
        await queue.addBulk(
          Array.from({ length: 120 }, (_, index) => ({
            name: "many",
            data: { index },
            opts: { priority: 1 + (index % 3) },
          })),
        );
        await until("all of many are done", () => done.filter((name) => name === "many").length === 120);
        const workers = await queue.getWorkers();
        assert.equal(workers.length, 1);
        assert.match(workers[0]?.["rawname"] ?? "", /:w:worker-one$/);
        await queue.obliterate({ force: true });
        assert.deepEqual(complaints, [], "neither about the version nor about eviction");
      } finally {
        console.warn = warn;
        await Promise.all([worker.close(), events.close(), queue.close()]);
      }
    });
  });

  describe("redis-cli", () => {
    // Its warning, that a URL on a command line shows the password, goes to standard error.
    const cli = async (...args: string[]) => (await run("redis-cli", ["-u", url, ...args])).stdout.trim();

    it("pings, and shows what the server is", async () => {
      assert.equal(await cli("PING"), "PONG");
      assert.match(await cli("INFO", "server"), /redis_version:7\./);
      assert.match(await cli("CLIENT", "LIST"), /^id=\d+ addr=/);
    });

    it("looks for big keys and for memory, and shows figures", async () => {
      await cli("SET", "big", "x".repeat(1000));
      assert.match(await cli("--bigkeys"), /Biggest string found[^]*"big"/i);
      assert.match(await cli("--memkeys"), /-------- summary -------/);
      assert.match(await cli("--scan", "--pattern", "bi*"), /^big$/m);
      const child = spawn("redis-cli", ["-u", url, "--stat", "-i", "0.05"], { stdio: ["ignore", "pipe", "ignore"] });
      const exit = once(child, "exit");
      let figures = "";
      child.stdout.on("data", (chunk: Buffer) => (figures += chunk.toString()));
      try {
        await until("figures are shown", () => /keys\s+mem\s+clients[^]*\d+\s+[\d.]+[KM]\s+\d+/.test(figures));
      } finally {
        child.kill();
        await exit;
      }
    });

    it("loads masses of data, and takes commands as they are typed", async () => {
      const masses = Array.from({ length: 5000 }, (_, index) => `SET mass:${index} ${index}\r\n`).join("");
      assert.match(await typed(["--pipe"], masses), /errors: 0, replies: 5000/);
      assert.equal(
        (await typed([], "SET typed yes\nGET typed\nMULTI\nINCR typed-count\nEXEC\n")).trim(),
        "OK\nyes\nOK\nQUEUED\n1",
      );
    });

    const typed = async (args: string[], input: string): Promise<string> => {
      const child = spawn("redis-cli", ["-u", url, ...args], { stdio: ["pipe", "pipe", "ignore"] });
      const closed = once(child, "close");
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.stdin.end(input);
      assert.deepEqual(await closed, [0, null]);
      return output;
    };
  });

  it("redis-benchmark runs", async () => {
    const { hostname, port, password } = new URL(url);
    const commands = [
      "ping",
      "set",
      "get",
      "incr",
      "lpush",
      "rpop",
      "sadd",
      "hset",
      "spop",
      "zadd",
      "lrange_100",
      "mset",
    ];
    const { stdout } = await run("redis-benchmark", [
      "-h",
      hostname,
      "-p",
      port,
      "-a",
      password,
      "-t",
      commands.join(","),
      "-n",
      "2000",
      "-c",
      "20",
      "--csv",
    ]);
    const rates = stdout
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => Number(line.split('","')[1]));
    assert.ok(rates.length >= commands.length);
    assert.ok(
      rates.every((rate) => rate > 0),
      stdout,
    );
  });

  describe("the page's snippets, just as it shows them", () => {
    /** By the way that is chosen: the text of each of its blocks. */
    const shown = new Map<string, string[]>();
    let folder = "";

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "snippets-"));
      const browser = await launchChromium();
      try {
        const { page } = await visit(browser, service.origin);
        // One is loaded before there is an instance, the others after.
        await page.click(".ways label:text-is('Go')");
        await page.waitForSelector("#code-go");
        await page.click(".key");
        await page.waitForSelector("[data-slip][data-state=running]");
        for (const label of await page.locator(".ways label").all()) {
          await label.click();
          await page.waitForSelector(".ways input:checked + label + .way");
          const texts = await page.locator(".way:visible code").allTextContents();
          shown.set(await label.innerText(), texts);
        }
      } finally {
        await browser.close();
      }
    });
    after(() => rm(folder, { recursive: true, force: true }));

    const snippet = (way: string, block = 0) => shown.get(way)?.[block] ?? assert.fail(`no snippet for ${way}`);
    /** Writes a snippet into a file of its own folder, as a person would. */
    const saved = async (name: string, text: string): Promise<string> => {
      await mkdir(join(folder, name.split("/")[0] ?? ""), { recursive: true });
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const said = async (program: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) =>
      (await run(program, args, options)).stdout.trim();

    it("redis-cli", async () => {
      const typing = run("sh", ["-c", snippet("redis-cli")]);
      typing.child.stdin?.end("SET greeting hello\nGET greeting\n");
      assert.equal((await typing).stdout.trim(), "OK\nhello");
    });

    it(".env", async () => {
      const file = await saved("env/.env", snippet(".env"));
      assert.equal(await said("sh", ["-c", `set -a; . ${file}; redis-cli -u "$REDIS_URL" PING 2>&-`]), "PONG");
    });

    it("Node, as a module, also in the oldest version that its client takes", async () => {
      const file = await saved("node/demo.mjs", snippet("Node"));
      await symlink(projectPath("node_modules"), join(folder, "node/node_modules"));
      const system = "/usr/bin/node";
      const isThere = await access(system).then(
        () => true,
        () => false,
      );
      for (const node of [process.execPath, ...(isThere ? [system] : [])])
        assert.equal(await said(node, [file]), "hello", node);
    });

    // Debian's own Python, which has Debian's client.
    it("Python", async () =>
      assert.equal(await said("/usr/bin/python3", [await saved("python/demo.py", snippet("Python"))]), "hello"));

    it("Go", async () => {
      const file = await saved("go/main.go", snippet("Go"));
      // Debian has modules' sources in a GOPATH, and `go mod init` would look for them elsewhere.
      const env = {
        PATH: process.env["PATH"],
        GO111MODULE: "off",
        GOPATH: "/usr/share/gocode",
        GOCACHE: join(folder, "go-cache"),
      };
      assert.equal(await said("go", ["run", file], { env }), "hello");
    });

    it("PHP", async () => {
      const file = await saved("php/demo.php", snippet("PHP"));
      await mkdir(join(folder, "php/vendor"));
      // What Composer would write there.
      await writeFile(join(folder, "php/vendor/autoload.php"), '<?php require "/usr/share/php/Predis/autoload.php";');
      assert.equal(await said("/usr/bin/php", [file], { cwd: join(folder, "php") }), "hello");
    });

    it("Ruby", async () =>
      assert.equal(await said("/usr/bin/ruby", [await saved("ruby/demo.rb", snippet("Ruby"))]), "hello"));

    it("curl: runs a command, extends, and ends it", async () => {
      const output = await said("sh", ["-c", snippet("curl")]);
      assert.match(output, /"text": ?"\(integer\) 1"/);
      assert.match(output, /"state": ?"running"/);
      assert.equal(await said("sh", ["-c", snippet("curl", 1)]), "");
      await assert.rejects(run("sh", ["-c", `exec 2>&1; ${snippet("redis-cli")} PING | grep -q PONG`]));
    });
  });
});
