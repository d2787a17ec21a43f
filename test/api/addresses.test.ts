import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { Redis } from "ioredis";
import { startService, type Service } from "../bed/service.ts";
import { assertProblem } from "./assert-problem.ts";

type Replica = Awaited<ReturnType<Service["startReplica"]>>;

const QUOTA = 2;
const LIMIT = 8;

describe("addresses", () => {
  let service: Service;
  /** Believes what loopback forwards; `service` itself believes nobody. */
  let behindProxy: Replica;
  let twin: Replica;
  before(async () => {
    const limits = {
      QUOTA_PER_ADDRESS: String(QUOTA),
      HANDOUT_RATE_LIMIT_PER_MINUTE: String(LIMIT),
      RATE_LIMIT_PER_MINUTE: "40",
    };
    service = await startService({ capacity: 30, env: { ...limits, HOST: "::" } });
    service.env["TRUST_PROXY"] = "loopback, 10.9.0.0/16";
    behindProxy = await service.startReplica();
    twin = await service.startReplica();
  });
  after(() => service.stop());
  beforeEach(async () => {
    const headers = { authorization: `Bearer ${service.opsToken}` };
    const redis = new Redis(service.services.redisUrl);
    const keys = await redis.keys("rate:*");
    if (keys.length > 0) await redis.del(...keys);
    const open = (await (await fetch(`${service.origin}/ops/api/instances`, { headers })).json()) as { id: string }[];
    await Promise.all(
      open.map(({ id }) => fetch(`${twin.origin}/ops/api/instances/${id}`, { method: "DELETE", headers })),
    );
    const later = await redis.keys("rate:*");
    if (later.length > 0) await redis.del(...later);
    redis.disconnect();
  });

  const post = (origin: string, forwardedFor?: string, body = "{}") =>
    fetch(`${origin}/instances`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor }),
      },
      body,
      signal: AbortSignal.timeout(20_000),
    });
  /** A call that counts for the rate limit and hands out nothing. */
  const refused = (origin: string, forwardedFor?: string) => post(origin, forwardedFor, '{"ttlSeconds":1}');
  const statuses = async (answers: Promise<Response>[]) =>
    (await Promise.all(answers)).map(({ status }) => status).sort();

  describe("quota", () => {
    it("refuses the next one with 403 and the time at which the first ends", async () => {
      assert.deepEqual([(await post(service.origin)).status, (await post(service.origin)).status], [201, 201]);
      const detail = await assertProblem(await post(service.origin), 403, "quota-exceeded");
      assert.match(detail, /may hold 2 at once.*wait 12 h/);
    });

    it("is free again as soon as one is ended", async () => {
      const first = (await (await post(service.origin)).json()) as { id: string; token: string };
      await post(service.origin);
      await assertProblem(await post(service.origin), 403, "quota-exceeded");
      await fetch(`${service.origin}/instances/${first.id}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${first.token}` },
      });
      assert.equal((await post(service.origin)).status, 201);
    });

    it("counts the socket's address, whatever X-Forwarded-For says, where no proxy is trusted", async () => {
      const answers = await Promise.all(
        ["198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8::1", "unknown"].map((forged) =>
          post(service.origin, forged),
        ),
      );
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 201, 403, 403, 403]);
    });

    it("counts what a trusted proxy forwards", async () => {
      for (const address of ["198.51.100.1", "198.51.100.2", "198.51.100.3"])
        assert.equal((await post(behindProxy.origin, address)).status, 201);
      assert.equal((await post(behindProxy.origin, "198.51.100.1")).status, 201);
      await assertProblem(await post(behindProxy.origin, "198.51.100.1"), 403, "quota-exceeded");
    });

    it("counts the last address that no trusted proxy wrote, so that a caller cannot name another", async () => {
      const answers = [];
      for (const forged of ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        answers.push((await post(behindProxy.origin, `${forged}, 198.51.100.9, 10.9.1.1`)).status);
      assert.deepEqual(answers, [201, 201, 403]);
    });

    it("counts IPv6 by /64 and knows mapped IPv4 addresses", async () => {
      const inOne = ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::3"];
      const answers = [];
      for (const address of inOne) answers.push((await post(behindProxy.origin, address)).status);
      assert.deepEqual(answers, [201, 201, 403]);
      assert.equal(
        (await post(behindProxy.origin, "2001:db8:1:3::1")).status,
        201,
        "the neighbour has a quota of its own",
      );
      for (const address of ["198.51.100.7", "::ffff:198.51.100.7"])
        assert.equal((await post(behindProxy.origin, address)).status, 201);
      await assertProblem(await post(behindProxy.origin, "::ffff:c633:6407"), 403, "quota-exceeded");
    });

    it("counts the proxy itself when it forwards what is no address", async () => {
      const answers = [];
      for (const nonsense of ["unknown", "198.51.100.1:4711", "_hidden"])
        answers.push((await post(behindProxy.origin, nonsense)).status);
      assert.deepEqual(answers, [201, 201, 403]);
    });

    it("is one quota on all replicas", async () => {
      assert.deepEqual(
        await statuses([behindProxy, twin, behindProxy, twin].map(({ origin }) => post(origin, "198.51.100.5"))),
        [201, 201, 403, 403],
      );
    });
  });

  describe("rate limits", () => {
    it("refuse with 429, the limit in words, and the seconds to wait", async () => {
      for (let count = 0; count < LIMIT; count++) assert.equal((await refused(service.origin)).status, 400);
      const answer = await refused(service.origin);
      const seconds = Number(answer.headers.get("retry-after"));
      assert.ok(seconds >= 1 && seconds <= 60, String(seconds));
      const detail = await assertProblem(answer, 429, "rate-limited");
      assert.match(detail, /may make 8 such requests a minute\. Try again in \d+ s\./);
    });

    it("are shared by replicas", async () => {
      const answers = await statuses(
        Array.from({ length: 2 * LIMIT }, (_, index) =>
          refused(index % 2 ? behindProxy.origin : twin.origin, "198.51.100.6"),
        ),
      );
      assert.deepEqual(answers, [...Array<number>(LIMIT).fill(400), ...Array<number>(LIMIT).fill(429)]);
    });

    it("count each address by itself, IPv6 by /64", async () => {
      const all = Array.from({ length: LIMIT }, (_, index) =>
        refused(behindProxy.origin, `2001:db8:7:7::${index + 1}`),
      );
      assert.deepEqual(await statuses(all), Array(LIMIT).fill(400));
      assert.equal((await refused(behindProxy.origin, "2001:db8:7:7::ffff")).status, 429);
      assert.equal((await refused(behindProxy.origin, "2001:db8:7:8::1")).status, 400);
    });

    it("of hand-outs leave the other calls alone, which have a limit of their own", async () => {
      for (let count = 0; count <= LIMIT; count++) await refused(service.origin);
      assert.equal((await refused(service.origin)).status, 429);
      assert.equal((await fetch(`${service.origin}/stats`)).status, 200);
    });

    it("also count unknown paths, wrong methods and wrong tokens", async () => {
      for (const [path, status, address] of [
        ["/nothing", 404, "198.51.100.101"],
        ["/instances", 405, "198.51.100.102"],
        ["/ops/api/hosts", 403, "198.51.100.103"],
        ["/instances/0000000000000000", 404, "198.51.100.104"],
      ] as const) {
        const answers = [];
        for (let count = 0; count < 41; count++)
          answers.push(
            (
              await fetch(`${behindProxy.origin}${path}`, {
                headers: { authorization: "Bearer guessed", "x-forwarded-for": address },
              })
            ).status,
          );
        assert.deepEqual([answers[0], answers.at(-1)], [status, 429], path);
      }
    });

    describe("of the operator", () => {
      const address = "198.51.100.110";
      const ask = async (headers: Record<string, string>, times = 60) => {
        const found = [];
        for (let count = 0; count < times; count++)
          found.push(
            (
              await fetch(`${behindProxy.origin}/ops/api/hosts`, {
                headers: { "x-forwarded-for": address, ...headers },
              })
            ).status,
          );
        return found;
      };
      const logIn = async () => {
        const answer = await fetch(`${behindProxy.origin}/ops/api/session`, {
          method: "POST",
          headers: { "content-type": "application/json", "x-forwarded-for": address },
          body: JSON.stringify({ token: service.opsToken }),
        });
        assert.equal(answer.status, 204);
        return answer.headers.get("set-cookie")?.split(";")[0] ?? assert.fail("a cookie");
      };

      it("are ten times those of strangers, and their own: guesses from the same address use up nothing of them", async () => {
        const cookie = await logIn();
        assert.deepEqual(await ask({ authorization: "Bearer guessed" }), [
          ...Array<number>(40).fill(403),
          ...Array<number>(20).fill(429),
        ]);
        for (const headers of [{ cookie }, { authorization: `Bearer ${service.opsToken}` }])
          assert.deepEqual(await ask(headers), Array(60).fill(200));
        const answer = await fetch(`${behindProxy.origin}/ops/api/hosts`, {
          headers: { "x-forwarded-for": address, cookie },
        });
        assert.deepEqual(
          [answer.headers.get("x-ratelimit-limit"), answer.headers.get("x-ratelimit-remaining")],
          ["400", "279"],
        );
        for (const [path, status] of [
          ["/ops", 200],
          ["/ops/api/session", 204],
        ] as const)
          assert.equal(
            (await fetch(`${behindProxy.origin}${path}`, { headers: { "x-forwarded-for": address, cookie } })).status,
            status,
          );
      });

      it("are those of a stranger for cookies made up, and once the session is over", async () => {
        assert.deepEqual((await ask({ cookie: `getaredis_ops=${"a".repeat(32)}` }, 41)).slice(-2), [401, 429]);
        const redis = new Redis(service.services.redisUrl);
        await redis.del(...(await redis.keys("rate:*")));
        redis.disconnect();
        const cookie = await logIn();
        assert.deepEqual(await ask({ cookie }), Array(60).fill(200));
        await fetch(`${behindProxy.origin}/ops/api/session`, {
          method: "DELETE",
          headers: { cookie, "x-forwarded-for": address },
        });
        assert.deepEqual([...new Set(await ask({ cookie }))], [401, 429]);
      });
    });

    it("never refuse machines that ask for health and metrics", async () => {
      const paths = Array.from({ length: 50 }, (_, index) => ["/healthz", "/readyz", "/metrics"][index % 3] ?? "");
      assert.deepEqual(await statuses(paths.map((path) => fetch(`${service.origin}${path}`))), Array(50).fill(200));
    });

    it("do not stop the service while Redis is away", async () => {
      await service.services.killRedis();
      try {
        const started = performance.now();
        const answers = await statuses(Array.from({ length: 3 * LIMIT }, () => refused(service.origin)));
        assert.deepEqual(answers, Array(3 * LIMIT).fill(400));
        assert.ok(performance.now() - started < 3_000);
      } finally {
        await service.stopHeartbeats().catch(() => undefined);
        await service.services.startRedis();
        await service.startHeartbeats();
      }
    });
  });
});
