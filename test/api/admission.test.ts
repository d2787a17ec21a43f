import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

/** What tests of other things relax, as it is by default. */
const usual = { QUOTA_PER_NETWORK: "", STARTS_PER_ADDRESS_PER_DAY: "", STARTS_PER_NETWORK_PER_DAY: "" };

describe("admission", () => {
  let api: TwinApi;
  afterEach(() => api.close());

  const open = async (env: Record<string, string> = {}, capacity = 40) => {
    api = await createTwinApi({ capacity, env: { ...usual, ...env } });
  };
  const post = (remoteAddress: string, headers: Record<string, string> = {}) =>
    api.call("/instances", { method: "POST", remoteAddress, headers });
  const end = async (answer: Response) => {
    const { id, token } = (await answer.json()) as { id: string; token: string };
    await api.call(`/instances/${id}`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
  };

  describe("by network", () => {
    it("lets the addresses of a /24 hold as many as four of them may, and other networks go on", async () => {
      await open();
      const answers = [];
      for (let host = 1; host <= 7; host++)
        for (let count = 0; count < 6; count++) answers.push((await post(`198.51.100.${host}`)).status);
      assert.deepEqual([answers.slice(0, 24), answers.slice(24)], [Array(24).fill(201), Array(18).fill(403)]);
      const refused = await post("198.51.100.77");
      assert.match(
        await assertProblem(refused, 403, "network-quota-exceeded"),
        /addresses of a network may hold 24 at once.*wait 12 h/,
      );
      assert.equal((await post("203.0.113.1")).status, 201);
    });

    it("counts the /64s of a /48 together", async () => {
      await open({ QUOTA_PER_ADDRESS: "2" });
      const answers = [];
      for (let subnet = 1; subnet <= 20; subnet++) answers.push((await post(`2001:db8:1:${subnet}::1`)).status);
      assert.deepEqual(answers, [...Array<number>(8).fill(201), ...Array<number>(12).fill(403)]);
      assert.equal((await post("2001:db8:2::1")).status, 201);
    });
  });

  describe("by day", () => {
    it("counts what has ended, and names with 429 the time to wait", async () => {
      await open({ STARTS_PER_ADDRESS_PER_DAY: "2" });
      for (let count = 0; count < 2; count++) await end(await post("198.51.100.1"));
      const refused = await post("198.51.100.1");
      assert.equal(refused.headers.get("retry-after"), "86400");
      assert.match(await assertProblem(refused, 429, "starts-exceeded"), /may begin 2 within a day.*Try again in 24 h/);
      assert.equal((await post("198.51.100.2")).status, 201);
      api.service.time.pass(86_400_000);
      await api.seeHosts();
      assert.equal((await post("198.51.100.1")).status, 201);
    });

    it("does not count a retry that gets the known answer", async () => {
      await open({ STARTS_PER_ADDRESS_PER_DAY: "2" });
      const key = { "idempotency-key": "1b4e28ba-2fa1-11d2-883f-0016d3cca427" };
      const answers = [];
      for (let count = 0; count < 4; count++) answers.push((await post("198.51.100.1", key)).status);
      assert.deepEqual(answers, [201, 201, 201, 201]);
      assert.equal((await post("198.51.100.1")).status, 201);
      await assertProblem(await post("198.51.100.1"), 429, "starts-exceeded");
    });
  });
});
