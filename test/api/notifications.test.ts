import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { deliver } from "../../apps/core/notifications/deliver.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

type Shown = {
  channels: { channel: string; target: string; waiting: number; givenUp: number }[];
  alarms: { alarm: string; toldAt: string | null }[];
  recent: { id: string; type: string; state: string; fault: string | null }[];
};

describe("notifications in the API", () => {
  let api: TwinApi;
  /** What the stand-in for the receiver says of a message. */
  let fault: string | undefined;
  before(async () => {
    api = await createTwinApi({
      env: {
        WEBHOOK_URL: "https://example.org/hooks/a-secret-path",
        WEBHOOK_SECRET: `whsec_${Buffer.alloc(24, 1).toString("base64")}`,
      },
    });
  });
  after(() => api.close());
  beforeEach(() => {
    fault = undefined;
    // The process that runs the jobs, as the API finds it after a request to run one.
    api.service.before.set("notifications.find", () =>
      deliver(
        {
          store: api.service.elsewhere,
          send: { webhook: () => Promise.resolve(fault) },
          clock: api.service.clock,
          chance: () => 0.5,
        },
        { timeoutMs: 1000, giveUpMs: 86_400_000, mailGapMs: 0 },
      ),
    );
  });

  const operator = () => ({ authorization: `Bearer ${api.opsToken}` });
  const test = (body: unknown) =>
    api.call("/ops/api/notifications/test", {
      method: "POST",
      headers: { ...operator(), "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const show = async () => (await (await api.call("/ops/api/notifications", { headers: operator() })).json()) as Shown;

  it("a test says that it was delivered, or why not, in words", async () => {
    assert.deepEqual(await (await test({ channel: "webhook" })).json(), { delivered: true, result: "Delivered." });
    fault = "the receiver answered 500";
    assert.deepEqual(await (await test({ channel: "webhook" })).json(), {
      delivered: false,
      result: "Not delivered: the receiver answered 500.",
    });
    assert.deepEqual(api.requestedRuns.slice(-2), ["notify", "notify"]);
    const { recent } = await show();
    assert.deepEqual(
      recent.slice(0, 2).map(({ type, state }) => [type, state]),
      [
        ["test", "given-up"],
        ["test", "sent"],
      ],
    );
  });

  it("a test of what is not set up, or of nothing, is refused with what to set", async () => {
    assert.match(
      await assertProblem(await test({ channel: "mail" }), 409, "no-channel"),
      /Set SMTP_URL, MAIL_FROM and MAIL_TO/,
    );
    await assertProblem(await test({ channel: "pigeon" }), 400, "invalid-request");
    await assertProblem(await test({}), 400, "invalid-request");
  });

  it("show where they go, without the path of a webhook, which may be a secret", async () => {
    const { store, clock } = api.service;
    const id = { messageId: "msg_waiting", channel: "webhook", type: "host.lost", payload: "{}" } as const;
    await store.notifications.add(id, clock());
    const shown = await show();
    assert.deepEqual(shown.channels, [{ channel: "webhook", target: "https://example.org", waiting: 1, givenUp: 0 }]);
    assert.ok(!JSON.stringify(shown).includes("a-secret-path"));
    assert.match(
      await (await api.call("/metrics")).text(),
      /^getaredis_notifications\{channel="webhook",state="waiting"\} 1$/m,
    );
  });

  it("are for operators alone", async () => {
    await assertProblem(await api.call("/ops/api/notifications"), 401, "token-missing");
    await assertProblem(
      await api.call("/ops/api/notifications/test", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"channel":"webhook"}',
      }),
      401,
      "token-missing",
    );
  });
});
