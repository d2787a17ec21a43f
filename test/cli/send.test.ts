import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSend } from "../../apps/cli/api/send.ts";
import { Stopped } from "../../apps/cli/stopped.ts";

const PROBLEM = "application/problem+json; charset=utf-8";

/** What a service answers, or the code of the fault that comes in place of an answer. */
type Step = string | { readonly status: number; readonly after?: string; readonly type?: string };

/** Sends a request to a service that goes through these steps, the last for ever; tells the outcome and the pauses. */
async function sendTo(steps: readonly Step[], init: RequestInit = {}, retryForMs = 60_000) {
  let now = 0;
  let tries = 0;
  const notes: string[] = [];
  const pauses: number[] = [];
  const bodies: string[] = [];
  const send = createSend(
    {
      fetch: async (request) => {
        const step = steps[Math.min(tries++, steps.length - 1)] ?? "";
        bodies.push(await request.text());
        if (typeof step === "string")
          throw Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error(step), { code: step }) });
        const { status, after, type = PROBLEM } = step;
        return new Response(status === 204 ? null : "{}", {
          status,
          headers: { "content-type": type, ...(after !== undefined && { "retry-after": after }) },
        });
      },
      clock: () => new Date(now),
      delay: (ms) => {
        pauses.push(ms);
        now += ms;
        return Promise.resolve();
      },
      interrupted: new AbortController().signal,
      note: (sentence) => void notes.push(sentence),
    },
    { timeoutMs: 5000, retryForMs },
  );
  const outcome = await send(new Request("http://redis.example.org/instances", init)).then(
    ({ status }) => status,
    (fault: unknown) => (fault instanceof Stopped ? fault : assert.fail(String(fault))),
  );
  return { outcome, tries, pauses, notes, bodies };
}

describe("sending a request", () => {
  it("tries a read again when the connection breaks, or the service or its proxy is away for a moment", async () => {
    for (const step of ["ECONNRESET", "ECONNREFUSED", { status: 503 }, { status: 502, type: "text/html" }] as const) {
      const { outcome, tries } = await sendTo([step, step, { status: 200 }]);
      assert.deepEqual([outcome, tries], [200, 3]);
    }
  });

  it("waits as long as the service says, and tells of a wait that can be felt", async () => {
    const { outcome, pauses, notes } = await sendTo([{ status: 503, after: "7" }, { status: 200 }]);
    assert.deepEqual([outcome, pauses], [200, [7000]]);
    assert.match(notes.join(), /is busy; trying again in 7 s/);
    const away = await sendTo(["ECONNREFUSED"]);
    assert.match(away.notes.join(), /^The service does not answer; trying again in/);
  });

  it("gives the refusal at once when the service wants more time than there is", async () => {
    const { outcome, tries } = await sendTo([{ status: 503, after: "7" }], {}, 6000);
    assert.deepEqual([outcome, tries], [503, 1]);
  });

  it("gives up when the time for it is over, and says what happened", async () => {
    const { outcome, tries, pauses } = await sendTo(["ECONNREFUSED"], {}, 5000);
    assert.ok(outcome instanceof Stopped && tries > 2);
    assert.ok(pauses.reduce((sum, pause) => sum + pause) <= 5000);
    assert.equal(outcome.ending, "noService");
    assert.match(outcome.problem.detail, /^No answer from http:\/\/redis\.example\.org: nothing listens there\./);
  });

  it("tries nothing twice that may have been done, unless it carries a key that makes it one", async () => {
    for (const method of ["POST", "PATCH", "DELETE"]) {
      for (const step of ["ECONNRESET", { status: 503 }] as const)
        assert.equal((await sendTo([step, { status: 204 }], { method })).tries, 1, method);
      // Surely not done: nobody was there, or it was counted and refused.
      for (const step of ["ECONNREFUSED", { status: 429, after: "1" }] as const)
        assert.equal((await sendTo([step, { status: 204 }], { method })).tries, 2, method);
    }
    const keyed = { method: "POST", headers: { "idempotency-key": "k".repeat(20) }, body: '{"ttlSeconds":60}' };
    const { outcome, bodies } = await sendTo(["ECONNRESET", { status: 503, after: "1" }, { status: 201 }], keyed);
    assert.deepEqual([outcome, bodies], [201, Array(3).fill(keyed.body)]);
  });

  it("takes every other answer as it is, readiness that says no and a wanted proof of work among them", async () => {
    for (const step of [
      { status: 200 },
      { status: 404 },
      { status: 500 },
      { status: 503, type: "application/json; charset=utf-8" },
      { status: 429, after: "0" },
    ])
      assert.deepEqual([(await sendTo([step])).outcome, (await sendTo([step])).tries], [step.status, 1]);
  });

  it("says of each fault what it means and what to do", async () => {
    for (const [code, pattern] of [
      ["ENOTFOUND", /redis\.example\.org does not lead to an address/],
      ["UND_ERR_SOCKET", /closed before the answer/],
      ["CERT_HAS_EXPIRED", /certificate has expired/],
      ["ERR_TLS_CERT_ALTNAME_INVALID", /for another name than redis\.example\.org/],
      ["SELF_SIGNED_CERT_IN_CHAIN", /NODE_EXTRA_CA_CERTS/],
      ["ESTRANGE", /: ESTRANGE\./],
    ] as const) {
      const { outcome } = await sendTo([code], {}, 0);
      assert.match(outcome instanceof Stopped ? outcome.problem.detail : "", pattern);
    }
  });

  it("ends a try that takes longer than the time-out, also when the answer stops half-way", async () => {
    const hangs: ReadableStreamDefaultController[] = [];
    const send = createSend(
      {
        fetch: (_request, { signal }) => {
          const body = new ReadableStream({
            start: (controller) => {
              hangs.push(controller);
              signal.addEventListener("abort", () => controller.error(signal.reason));
            },
          });
          return Promise.resolve(new Response(body));
        },
        clock: () => new Date(),
        delay: () => assert.fail("there is no time for another try"),
        interrupted: new AbortController().signal,
        note: () => undefined,
      },
      { timeoutMs: 20, retryForMs: 0 },
    );
    await assert.rejects(send(new Request("http://redis.example.org/stats")), ({ problem }: Stopped) => {
      assert.match(problem.detail, /none within 0\.02 s\. --timeout/);
      return true;
    });
    assert.equal(hangs.length, 1);
  });
});
