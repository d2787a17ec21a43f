import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { after, before, beforeEach, describe, it } from "node:test";
import { Redis } from "ioredis";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { reap } from "../../apps/core/instances/reap.ts";
import { reconcile } from "../../apps/core/instances/reconcile.ts";
import { createDockerEngines } from "../../apps/adapters/docker/engines.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { startEngineProxy, type EngineProxy } from "../bed/engine-proxy.ts";
import { startService, type Service } from "../bed/service.ts";
import { takeInventory } from "../bed/tidiness.ts";
import { until } from "../bed/until.ts";

const CAPACITY = 20;
const clock = () => new Date();
const engines = createDockerEngines(10_000);

const post = (service: Service, headers: Record<string, string> = {}) =>
  fetch(`${service.origin}/instances`, { method: "POST", headers, signal: AbortSignal.timeout(60_000) });

/** Status of the first answer that is none to come again, and how many such came before it. */
async function statusAtLast(service: Service): Promise<{ status: number; delays: number }> {
  for (let delays = 0; ; delays++) {
    const answer = await post(service);
    if (answer.status !== 503) return { status: answer.status, delays };
    await assertUnavailable(answer);
  }
}

async function handout(service: Service, headers: Record<string, string> = {}): Promise<Handout> {
  const answer = await post(service, headers);
  assert.equal(answer.status, 201, await answer.clone().text());
  return (await answer.json()) as Handout;
}

/** A 503 as callers should get it: readable, with the time to come back, and nothing inside shown. */
async function assertUnavailable(answer: Response): Promise<void> {
  const body = await answer.text();
  assert.equal(answer.status, 503, body);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
  assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
  assert.doesNotMatch(body, /\bat .*\.ts|ECONN|SELECT|10\.\d+\.\d+|unix:|\.sock/);
}

const recovered = (service: Service) =>
  until(
    "the service hands out again",
    async () => {
      const answer = await post(service);
      await answer.body?.cancel();
      return answer.status === 201;
    },
    30_000,
  );

const ROUND = { concurrency: 4, hostBudgetMs: 60_000 };

/** What jobs work with; every host counts as heard. */
const jobPorts = ({ store }: Service) => ({
  store,
  engines,
  clock,
  readHeartbeats: () => Promise.reject(new Unavailable("redis", new Error("not asked"))),
});

async function endAll(service: Service): Promise<void> {
  const headers = { authorization: `Bearer ${service.opsToken}` };
  const open = (await (await fetch(`${service.origin}/ops/api/instances`, { headers })).json()) as { id: string }[];
  await Promise.all(
    open.map(({ id }) => fetch(`${service.origin}/ops/api/instances/${id}`, { method: "DELETE", headers })),
  );
  await reap(jobPorts(service), ROUND);
  await until("all instances are gone", async () => (await takeInventory(service)).slotsTaken === 0);
}

const answers = async (url: string): Promise<boolean> => {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    await redis.ping();
    return true;
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
};

describe("many at once", () => {
  let service: Service;
  before(async () => {
    service = await startService({
      hostNames: ["host-a", "host-b"],
      capacity: CAPACITY,
      jobs: false,
      env: {
        TRUST_PROXY: "loopback",
        HANDOUT_TIMEOUT_SECONDS: "30",
        ENGINE_TIMEOUT_SECONDS: "30",
        READY_TIMEOUT_SECONDS: "30",
      },
    });
  });
  after(() => service.stop());
  beforeEach(() => endAll(service));

  it("gives one address exactly its quota out of 200 parallel requests", async () => {
    // MySQL has requests of one address queue up: a busy machine has those that wait for long come again.
    const answers = await Promise.all(Array.from({ length: 200 }, () => statusAtLast(service)));
    const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length;
    let handedOut = count(201);
    assert.deepEqual([handedOut + count(403), handedOut <= 6], [200, true]);
    // Only one that was given up may have held a place for nothing, until its end is written.
    if (answers.every(({ delays }) => delays === 0)) assert.equal(handedOut, 6);
    await until(
      "no place is lost",
      async () => {
        if (handedOut < 6 && (await statusAtLast(service)).status === 201) handedOut++;
        return handedOut === 6;
      },
      60_000,
    );
    assert.equal((await statusAtLast(service)).status, 403);
    assert.equal((await takeInventory(service)).running, 6);
  });

  it("gives 50 addresses exactly the slots there are out of 200 parallel requests at two replicas", async () => {
    const replica = await service.startReplica();
    const origins = [service.origin, replica.origin];
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        fetch(`${origins[index % 2] ?? ""}/instances`, {
          method: "POST",
          headers: { "x-forwarded-for": `198.51.100.${index % 50}` },
          signal: AbortSignal.timeout(60_000),
        }),
      ),
    );
    const given = replies.filter(({ status }) => status === 201);
    assert.ok(
      replies.every(({ status }) => status === 201 || status === 503 || status === 403),
      String(replies.map(({ status }) => status)),
    );
    const urls = await Promise.all(given.map(async (reply) => ((await reply.json()) as Handout).url));
    assert.equal(new Set(urls.map((url) => new URL(url).host)).size, urls.length, "no slot is given twice");
    assert.equal((await takeInventory(service)).running, given.length);

    // Slots that a transaction held while another looked were skipped; they are there for the next.
    for (let address = 0; (await takeInventory(service)).running < 2 * CAPACITY; address++) {
      await (await post(service, { "x-forwarded-for": `203.0.113.${address}` })).body?.cancel();
      assert.ok(address < 100, "the free slots are handed out");
    }
    await assertUnavailable(await post(service, { "x-forwarded-for": "192.0.2.1" }));
    await replica.stop();
  });

  it("undoes a hand-out when its caller hangs up, and keeps one whose caller can ask again with the key", async () => {
    for (const [headers, kept] of [
      [{}, 0],
      [{ "idempotency-key": "a-key-to-come-back" }, 1],
    ] as const) {
      const call = httpRequest(`${service.origin}/instances`, { method: "POST", headers });
      call.on("error", () => undefined);
      call.end();
      await until("the hand-out has begun", async () =>
        (await service.store.search.find({ state: "open", order: "created", descending: true }, 10)).some(
          ({ state }) => state === "starting",
        ),
      );
      call.destroy();
      await until("nothing is left at work", async () =>
        (await service.store.search.find({ state: "open", order: "created", descending: true }, 10)).every(
          ({ state }) => state === "running",
        ),
      );
      assert.equal((await takeInventory(service)).running, kept);
    }
    const retried = await handout(service, { "idempotency-key": "a-key-to-come-back" });
    assert.ok(await answers(retried.url));
    assert.equal((await takeInventory(service)).running, 1);
  });

  it("leaves nothing behind after one run of the jobs when the API is killed in the middle of 50 hand-outs", async () => {
    await service.endApi("SIGTERM");
    service.env["HANDOUT_TIMEOUT_SECONDS"] = "3";
    service.env["READY_TIMEOUT_SECONDS"] = "2";
    await service.startApi();
    let isKilled = false;
    // On a busy machine the first ones may be given up: those callers come again when they are told to.
    const caller = async (index: number): Promise<void> => {
      while (!isKilled) {
        const answer = await post(service, { "x-forwarded-for": `198.51.100.${index}` }).catch(() => undefined);
        await answer?.body?.cancel();
        if (answer?.status !== 503) return;
        await sleep(Number(answer.headers.get("retry-after")) * 1000);
      }
    };
    const calls = Array.from({ length: 50 }, (_, index) => caller(index));
    await until(
      "some are handed out and some are starting",
      async () => {
        const states = (
          await service.store.search.find({ state: "open", order: "created", descending: true }, 100)
        ).map(({ state }) => state);
        return states.includes("running") && states.includes("starting");
      },
      60_000,
    );
    isKilled = true;
    await service.endApi("SIGKILL");
    await Promise.all(calls);
    assert.ok(
      (await service.store.search.find({ state: "open", order: "created", descending: true }, 100)).some(
        ({ state }) => state === "starting",
      ),
      "the kill came in the middle",
    );

    await service.startApi();
    await until("the deadlines of the cut-off hand-outs are over", async () =>
      (await service.store.search.find({ state: "open", order: "created", descending: true }, 100)).every(
        ({ state, deadline }) => state !== "starting" || (deadline !== null && deadline <= clock()),
      ),
    );
    // Two reconcilers at once: none may trip over the other.
    const reports = await Promise.all([reconcile(jobPorts(service), ROUND), reconcile(jobPorts(service), ROUND)]);
    // Ends that the API had begun itself when it was killed, as of hand-outs that took too long, are the reaper's.
    await reap(jobPorts(service), ROUND);
    const left = await takeInventory(service);
    const faults = reports.flatMap(({ unseen }) => unseen.map(({ fault }) => fault.message));
    assert.equal(left.starting + left.ending, 0, `no repair is left; the engines said ${JSON.stringify(faults)}`);
    await (await post(service)).body?.cancel();
    assert.equal((await takeInventory(service)).running, left.running + 1);
  });
});

describe("parts that fail", () => {
  let service: Service;
  let proxy: EngineProxy;
  before(async () => {
    service = await startService({
      capacity: CAPACITY,
      env: {
        QUOTA_PER_ADDRESS: "20",
        LIVENESS_MAX_AGE_SECONDS: "2",
        HOST_BACKOFF_SECONDS: "1",
        ENGINE_TIMEOUT_SECONDS: "3",
        READY_TIMEOUT_SECONDS: "2",
        HANDOUT_TIMEOUT_SECONDS: "6",
      },
      engineUrl: async (host) => (proxy = await startEngineProxy(host.url)),
    });
  });
  after(() => service.stop());
  beforeEach(async () => {
    proxy.trouble();
    await recovered(service);
    await endAll(service);
  });

  const settled = () =>
    until(
      "rows and containers agree and nothing is at work",
      async () => ((inventory) => inventory.starting + inventory.ending === 0)(await takeInventory(service)),
      20_000,
    );

  it("refuses while MySQL is down, keeps running instances usable, and recovers without a restart", async () => {
    const held = await handout(service);
    await service.services.killMysql();
    await assertUnavailable(await post(service));
    await assertUnavailable(
      await fetch(`${service.origin}/instances/${held.id}`, { headers: { authorization: `Bearer ${held.token}` } }),
    );
    await until("it is not ready", async () => (await fetch(`${service.origin}/readyz`)).status === 503);
    assert.equal((await fetch(`${service.origin}/healthz`)).status, 200);
    assert.equal((await fetch(service.origin)).status, 200, "the page still comes");
    assert.ok(await answers(held.url));
    await service.services.startMysql();
    await recovered(service);
    await settled();
  });

  it("answers in time while MySQL hangs, also calls that it was never asked before, and recovers", async () => {
    await service.services.signalMysql("SIGSTOP");
    try {
      const calls = Array.from({ length: 30 }, (_, index) =>
        fetch(`${service.origin}/${index % 2 ? "stats" : "ops/api/jobs"}`, {
          headers: { authorization: `Bearer ${service.opsToken}` },
          signal: AbortSignal.timeout(12_000),
        }),
      );
      for (const answer of await Promise.all(calls)) await assertUnavailable(answer);
    } finally {
      await service.services.signalMysql("SIGCONT");
    }
    await recovered(service);
    await settled();
  });

  it("destroys nothing while Redis is down, refuses when heartbeats are too old, and recovers", async () => {
    const held = await handout(service);
    await service.services.killRedis();
    await until("hand-outs are refused", async () => (await post(service)).status === 503);
    await assertUnavailable(await post(service));
    assert.ok(await answers(held.url));
    await service.stopHeartbeats().catch(() => undefined);
    await service.services.startRedis();
    await service.startHeartbeats();
    await recovered(service);
    assert.ok(await answers(held.url));
  });

  it("loses nothing when Redis is flushed", async () => {
    const held = await handout(service);
    const redis = new Redis(service.services.redisUrl);
    await redis.flushall();
    redis.disconnect();
    await recovered(service);
    assert.ok(await answers(held.url));
    assert.equal((await service.store.leases.find(held.id))?.state, "running");
  });

  it("refuses a malformed heartbeat, places nothing on its host, and shows the operator why", async () => {
    await service.stopHeartbeats();
    const redis = new Redis(service.services.redisUrl);
    await redis.set("host:host-a", '{"name":"host-a","containers":"none"}', "EX", 30);
    redis.disconnect();
    const headers = { authorization: `Bearer ${service.opsToken}` };
    const refusal = await until("the heartbeat is refused", async () => {
      const [host] = (await (await fetch(`${service.origin}/ops/api/hosts`, { headers })).json()) as {
        standing: string;
        heartbeatRefused: string | null;
      }[];
      return host?.standing === "heartbeat-refused" ? host.heartbeatRefused : undefined;
    });
    assert.match(refusal, /publicIp|containers|required/);
    await assertUnavailable(await post(service));
    await service.startHeartbeats();
    await recovered(service);
  });

  it("places nothing on a host whose heartbeat does not arrive", async () => {
    await service.stopHeartbeats();
    await until("hand-outs are refused", async () => (await post(service)).status === 503);
    await assertUnavailable(await post(service));
    await service.startHeartbeats();
    await recovered(service);
  });

  for (const [what, path] of [
    ["creating", /\/containers\/create/],
    ["starting", /\/containers\/[^/]+\/start/],
  ] as const) {
    it(`undoes a hand-out when Docker answers 500 on ${what}`, async () => {
      proxy.trouble(({ path: called }) =>
        path.test(called) ? { status: 500, message: "disk of the engine is on fire" } : "pass",
      );
      await assertUnavailable(await post(service));
      await settled();
      assert.equal((await takeInventory(service)).slotsTaken, 0);
    });

    it(`gives up when Docker hangs on ${what}, and the reaper clears what it left`, async () => {
      proxy.trouble(({ path: called }) => (path.test(called) ? "hang" : "pass"));
      await assertUnavailable(await post(service));
      proxy.trouble();
      await settled();
      assert.equal((await takeInventory(service)).slotsTaken, 0);
    });
  }

  it("undoes a hand-out whose engine died between create and start, once the engine is back", async () => {
    const [host] = service.hosts;
    assert.ok(host);
    let died = false;
    proxy.trouble(async ({ path }) => {
      if (!died && /\/containers\/[^/]+\/start/.test(path)) {
        died = true;
        await host.killEngine();
      }
      return "pass" as const;
    });
    await assertUnavailable(await post(service));
    assert.ok(died);
    await host.startEngine();
    await recovered(service);
    await settled();
    assert.equal((await takeInventory(service)).running, 1, "only the one handed out after the recovery");
  });

  it("hands out again after the engine was frozen for longer than calls may take", async () => {
    const [host] = service.hosts;
    assert.ok(host);
    await host.pause();
    try {
      await assertUnavailable(await post(service));
    } finally {
      await host.resume();
    }
    await recovered(service);
    await settled();
  });

  it("takes back an instance that starts but never answers", async () => {
    const [host] = service.hosts;
    assert.ok(host);
    await host.exec("nft", "add", "table", "inet", "silence");
    await host.exec("nft", "add", "chain", "inet", "silence", "forward", "{ type filter hook forward priority -10; }");
    await host.exec("nft", "add", "rule", "inet", "silence", "forward", "tcp", "dport", "6379", "drop");
    try {
      await assertUnavailable(await post(service));
      await settled();
      assert.equal((await takeInventory(service)).slotsTaken, 0);
    } finally {
      await host.exec("nft", "delete", "table", "inet", "silence");
    }
  });

  it("passes over a slot whose port something else on the host holds", async () => {
    const [host] = service.hosts;
    assert.ok(host);
    const squatter = await handout(service);
    const port = new URL(squatter.url).port;
    // The slot is free again in the rows, and its port is not on the host.
    await service.store.leases.beginEnd(squatter.id, "operator", clock());
    await service.store.leases.close(squatter.id, new Date(0));
    const next = await handout(service);
    assert.notEqual(new URL(next.url).port, port);
    await until(
      "reconcile removes the container without a row",
      async () => (await host.docker.listContainers()).length === 1,
    );
    await settled();
  });

  it("ends a lease as lost when its container is gone or has stopped, and frees its place", async () => {
    const [host] = service.hosts;
    assert.ok(host);
    const [gone, stopped] = [await handout(service), await handout(service)];
    await host.docker.getContainer(`redis-${gone.id}`).remove({ force: true });
    await host.docker.getContainer(`redis-${stopped.id}`).kill();
    for (const { id } of [gone, stopped]) {
      await until("the lease is lost", async () => (await service.store.leases.find(id))?.state === "ended");
      assert.equal((await service.store.leases.find(id))?.endCause, "lost");
    }
    await settled();
  });

  it("ends a lease past its lifetime, and closes it only when its container is gone", async () => {
    const held = await handout(service);
    const soon = new Date(Date.now() + 500);
    assert.ok(await service.store.leases.setExpiry(held.id, soon, clock()));
    proxy.trouble(({ method }) => (method === "DELETE" ? { status: 500, message: "device or resource busy" } : "pass"));
    await until("the lease has ended", async () => (await service.store.leases.find(held.id))?.state === "ending");
    assert.ok(await answers(held.url), "the container is still there, so the row is not closed");
    proxy.trouble();
    await until("the row is closed", async () => (await service.store.leases.find(held.id))?.state === "ended");
    assert.ok(!(await answers(held.url)));
    assert.equal((await service.store.leases.find(held.id))?.endCause, "expired");
    await settled();
  });

  it("does not give an image that is missing for an instance", async () => {
    const [host] = service.hosts;
    assert.ok(host);
    const image = host.docker.getImage(host.image);
    await image.tag({ repo: "kept", tag: "aside" });
    await image.remove({ force: true });
    try {
      await assertUnavailable(await post(service));
      await settled();
    } finally {
      const [repo = "", tag = ""] = host.image.split(":");
      await host.docker.getImage("kept:aside").tag({ repo, tag });
    }
    await recovered(service);
  });
});

describe("starting and stopping", () => {
  let service: Service;
  /** The settings of an API that a test has not changed. */
  let usual: Record<string, string>;
  before(async () => {
    service = await startService();
    usual = { ...service.env };
  });
  after(() => service.stop());

  it("says which port is taken and how to choose another, and exits with a failure", async () => {
    const second = spawn(process.execPath, [fileURLToPath(new URL("../../apps/api/main.ts", import.meta.url))], {
      env: service.env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    second.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(second, "close")) as [number];
    assert.equal(code, 1);
    assert.match(said, new RegExp(`port ${service.env["PORT"] ?? ""} of 127\\.0\\.0\\.1 is taken: set PORT`));
  });

  it("finishes hand-outs in flight when told to stop, and hands out nothing more", async () => {
    const inFlight = [post(service), post(service), post(service)];
    await until(
      "they are under way",
      async () =>
        (await service.store.search.find({ state: "open", order: "created", descending: true }, 10)).length === 3,
    );
    await service.endApi("SIGTERM");
    for (const answer of await Promise.all(inFlight)) {
      assert.equal(answer.status, 201);
      assert.ok(await answers(((await answer.json()) as Handout).url));
    }
    assert.equal((await takeInventory(service)).running, 3);
    await assert.rejects(post(service));
  });

  it("does not wait for clients that have opened a connection and said nothing, or half a request", async () => {
    await service.endApi("SIGTERM");
    Object.assign(service.env, usual, { SHUTDOWN_SECONDS: "8" });
    await service.startApi();
    const clients = [
      "",
      "GET / HTTP/1.1\r\n",
      "POST /instances HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
    ].map((said) => {
      const client = connect(Number(new URL(service.origin).port), "127.0.0.1", () => client.write(said));
      // Its end may be a reset: there may be bytes that nobody has read.
      client.on("error", () => undefined);
      return client;
    });
    try {
      await Promise.all(clients.map((client) => once(client, "connect")));
      await fetch(`${service.origin}/healthz`);
      const before = service.log().length;
      await service.endApi("SIGTERM");
      assert.ok(service.log().slice(before).includes('"msg":"stopped"'), "it came to its end");
      assert.ok(!service.log().slice(before).includes("did not finish in time"));
    } finally {
      for (const client of clients) client.destroy();
    }
  });

  it("writes no password into its log when Redis refuses the one it has", async () => {
    const wrong = new URL(service.services.redisUrl);
    wrong.password = "not-to-be-seen-anywhere";
    await service.endApi("SIGTERM");
    Object.assign(service.env, usual);
    service.env["REDIS_URL"] = wrong.href;
    const before = service.log().length;
    service.startApi().catch(() => undefined);
    await until("the refusal is told", () => Promise.resolve(service.log().slice(before).includes("WRONGPASS")));
    assert.doesNotMatch(service.log().slice(before), /not-to-be-seen-anywhere/);
  });

  it("starts while MySQL, Redis and the engine are down, answers 503, and serves once they are there", async () => {
    await service.endApi("SIGTERM");
    Object.assign(service.env, usual, { LIVENESS_MAX_AGE_SECONDS: "2", HOST_BACKOFF_SECONDS: "1" });
    await service.services.killMysql();
    await service.services.killRedis();
    await service.hosts[0]?.killEngine();
    const starting = service.startApi();
    const alive = () => fetch(`${service.origin}/healthz`).then(({ status }) => status === 200);
    await until("the API listens", alive);
    await assertUnavailable(await post(service));
    await service.stopHeartbeats().catch(() => undefined);
    await service.services.startMysql();
    await service.services.startRedis();
    await service.hosts[0]?.startEngine();
    await service.startHeartbeats();
    await starting;
    await recovered(service);
  });
});
