import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createTwinApi, type TwinApi, type TwinCall } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

/** One API process. */
type Api = Pick<TwinApi, "call">;

const QUOTA = 2;
const LIMIT = 8;

describe("addresses", () => {
  let api: TwinApi;
  /** Believes what loopback forwards; `api` itself believes nobody. */
  let behindProxy: Awaited<ReturnType<TwinApi["openReplica"]>>;
  beforeEach(async () => {
    api = await createTwinApi({
      capacity: 30,
      env: {
        QUOTA_PER_ADDRESS: String(QUOTA),
        HANDOUT_RATE_LIMIT_PER_MINUTE: String(LIMIT),
        RATE_LIMIT_PER_MINUTE: "40",
      },
    });
    behindProxy = await api.openReplica({ TRUST_PROXY: "loopback, 10.9.0.0/16" });
  });
  afterEach(() => Promise.all([api.close(), behindProxy.close()]));

  /** From loopback as a socket of both families tells it. */
  const call = ({ call }: Api, path: string, init: TwinCall = {}) =>
    call(path, { remoteAddress: "::ffff:127.0.0.1", ...init });
  const post = (to: Api, forwardedFor?: string, body = "{}") =>
    call(to, "/instances", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor }),
      },
      body,
    });
  /** A call that counts for the rate limit and hands out nothing. */
  const refused = (to: Api, forwardedFor?: string) => post(to, forwardedFor, '{"ttlSeconds":1}');
  const statuses = async (answers: Promise<Response>[]) =>
    (await Promise.all(answers)).map(({ status }) => status).sort();

  describe("quota", () => {
    it("refuses the next one with 403 and the time at which the first ends", async () => {
      assert.deepEqual([(await post(api)).status, (await post(api)).status], [201, 201]);
      const detail = await assertProblem(await post(api), 403, "quota-exceeded", ["nextFreeAt"]);
      assert.match(detail, /^You have reached the limit of 2 instances for your IP address\. .*wait 12 h/);
    });

    it("is free again as soon as one is ended", async () => {
      const first = (await (await post(api)).json()) as { id: string; token: string };
      await post(api);
      await assertProblem(await post(api), 403, "quota-exceeded", ["nextFreeAt"]);
      await call(api, `/instances/${first.id}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${first.token}` },
      });
      assert.equal((await post(api)).status, 201);
    });

    it("counts the socket's address, whatever X-Forwarded-For says, where no proxy is trusted", async () => {
      const answers = await Promise.all(
        ["198.51.100.1", "198.51.100.2", "198.51.100.3", "2001:db8::1", "unknown"].map((forged) => post(api, forged)),
      );
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 201, 403, 403, 403]);
    });

    it("counts what a trusted proxy forwards", async () => {
      for (const address of ["198.51.100.1", "198.51.100.2", "198.51.100.3"])
        assert.equal((await post(behindProxy, address)).status, 201);
      assert.equal((await post(behindProxy, "198.51.100.1")).status, 201);
      await assertProblem(await post(behindProxy, "198.51.100.1"), 403, "quota-exceeded", ["nextFreeAt"]);
    });

    it("counts the last address that no trusted proxy wrote, so that a caller cannot name another", async () => {
      const answers = [];
      for (const forged of ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        answers.push((await post(behindProxy, `${forged}, 198.51.100.9, 10.9.1.1`)).status);
      assert.deepEqual(answers, [201, 201, 403]);
    });

    it("counts IPv6 by /64 and knows mapped IPv4 addresses", async () => {
      const inOne = ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::3"];
      const answers = [];
      for (const address of inOne) answers.push((await post(behindProxy, address)).status);
      assert.deepEqual(answers, [201, 201, 403]);
      assert.equal((await post(behindProxy, "2001:db8:1:3::1")).status, 201, "the neighbour has a quota of its own");
      for (const address of ["198.51.100.7", "::ffff:198.51.100.7"])
        assert.equal((await post(behindProxy, address)).status, 201);
      await assertProblem(await post(behindProxy, "::ffff:c633:6407"), 403, "quota-exceeded", ["nextFreeAt"]);
    });

    it("counts the proxy itself when it forwards what is no address", async () => {
      const answers = [];
      for (const nonsense of ["unknown", "198.51.100.1:4711", "_hidden"])
        answers.push((await post(behindProxy, nonsense)).status);
      assert.deepEqual(answers, [201, 201, 403]);
    });

    it("is one quota on all replicas", async () => {
      const twin = await api.openReplica({ TRUST_PROXY: "loopback" });
      assert.deepEqual(
        await statuses([behindProxy, twin, behindProxy, twin].map((each) => post(each, "198.51.100.5"))),
        [201, 201, 403, 403],
      );
      await twin.close();
    });
  });

  describe("rate limits", () => {
    it("refuse with 429, the limit in words, and the seconds to wait", async () => {
      for (let count = 0; count < LIMIT; count++) assert.equal((await refused(api)).status, 400);
      const answer = await refused(api);
      const seconds = Number(answer.headers.get("retry-after"));
      assert.ok(seconds >= 1 && seconds <= 60, String(seconds));
      const detail = await assertProblem(answer, 429, "rate-limited");
      assert.match(detail, /may make 8 requests of this kind a minute\. Try again in \d+ s\./);
    });

    it("count each address by itself, IPv6 by /64", async () => {
      const all = Array.from({ length: LIMIT }, (_, index) => refused(behindProxy, `2001:db8:7:7::${index + 1}`));
      assert.deepEqual(await statuses(all), Array(LIMIT).fill(400));
      assert.equal((await refused(behindProxy, "2001:db8:7:7::ffff")).status, 429);
      assert.equal((await refused(behindProxy, "2001:db8:7:8::1")).status, 400);
    });

    it("of hand-outs leave the other calls alone, which have a limit of their own", async () => {
      for (let count = 0; count <= LIMIT; count++) await refused(api);
      assert.equal((await refused(api)).status, 429);
      assert.equal((await call(api, "/stats")).status, 200);
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
              await call(behindProxy, path, {
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
              await call(behindProxy, "/ops/api/hosts", {
                headers: { "x-forwarded-for": address, ...headers },
              })
            ).status,
          );
        return found;
      };
      const logIn = async () => {
        const answer = await call(behindProxy, "/ops/api/session", {
          method: "POST",
          headers: { "content-type": "application/json", "x-forwarded-for": address },
          body: JSON.stringify({ token: api.opsToken }),
        });
        assert.equal(answer.status, 200);
        return answer.headers.get("set-cookie")?.split(";")[0] ?? assert.fail("a cookie");
      };

      it("are ten times those of strangers, and their own: guesses from the same address use up nothing of them", async () => {
        const cookie = await logIn();
        assert.deepEqual(await ask({ authorization: "Bearer guessed" }), [
          ...Array<number>(40).fill(403),
          ...Array<number>(20).fill(429),
        ]);
        for (const headers of [{ cookie }, { authorization: `Bearer ${api.opsToken}` }])
          assert.deepEqual(await ask(headers), Array(60).fill(200));
        const answer = await call(behindProxy, "/ops/api/hosts", {
          headers: { "x-forwarded-for": address, cookie },
        });
        assert.deepEqual(
          [answer.headers.get("x-ratelimit-limit"), answer.headers.get("x-ratelimit-remaining")],
          ["400", "279"],
        );
        for (const [path, status] of [
          ["/ops", 200],
          ["/ops/api/session", 200],
        ] as const)
          assert.equal(
            (await call(behindProxy, path, { headers: { "x-forwarded-for": address, cookie } })).status,
            status,
          );
      });

      it("are those of a stranger for cookies made up", async () => {
        assert.deepEqual((await ask({ cookie: `getaredis_ops=${"a".repeat(32)}` }, 41)).slice(-2), [401, 429]);
      });

      it("are those of a stranger once the session is over", async () => {
        const cookie = await logIn();
        assert.deepEqual(await ask({ cookie }), Array(60).fill(200));
        await call(behindProxy, "/ops/api/session", {
          method: "DELETE",
          headers: { cookie, "x-forwarded-for": address },
        });
        assert.deepEqual([...new Set(await ask({ cookie }))], [401, 429]);
      });
    });

    it("never refuse machines that ask for health and metrics", async () => {
      const paths = Array.from({ length: 50 }, (_, index) => ["/healthz", "/readyz", "/metrics"][index % 3] ?? "");
      assert.deepEqual(await statuses(paths.map((path) => call(api, path))), Array(50).fill(200));
    });
  });
});
