import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { afterEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { PYTHON_CLIENT } from "../../apps/api/routes/instances/schemas.ts";
import { makeChallenge } from "../../apps/core/admission/proof.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { solve } from "../core/admission/solve.ts";
import { assertProblem } from "./assert-problem.ts";

/** What tests of other things relax, as it is by default. */
const usual = {
  QUOTA_PER_NETWORK: "",
  STARTS_PER_ADDRESS_PER_DAY: "",
  STARTS_PER_NETWORK_PER_DAY: "",
  HANDOUTS_PER_MINUTE: "",
  NEWCOMER_PERCENT: "",
  PROOF_OF_WORK_MAX_BITS: "",
};
/** No work, for tests of what else there is. */
const noWork = { PROOF_OF_WORK_MAX_BITS: "0" };
/** Little work, for tests of what it does. */
const littleWork = { PROOF_OF_WORK_MAX_BITS: "8" };

const members = ["challenge", "bits", "algorithm", "header", "expiresAt"];
type Work = { readonly type: string; readonly challenge: string; readonly bits: number; readonly detail: string };

describe("admission", () => {
  let api: TwinApi;
  afterEach(() => api.close());

  const open = async (env: Record<string, string> = {}, capacity = 40) => {
    api = await createTwinApi({ capacity, env: { ...usual, ...env } });
  };
  const post = (remoteAddress: string, headers: Record<string, string> = {}) =>
    api.call("/instances", { method: "POST", remoteAddress, headers });
  /** Asks, and does the work where it is asked for; gives the last answer, and how much work it took. */
  const work = async (remoteAddress: string) => {
    const first = await post(remoteAddress);
    if (first.status !== 429) return { answer: first, bits: 0, proof: "" };
    const { challenge, bits } = (await first.json()) as Work;
    const proof = solve(challenge, bits);
    return { answer: await post(remoteAddress, { "proof-of-work": proof }), bits, proof };
  };
  const end = async (answer: Response) => {
    const { id, token } = (await answer.json()) as { id: string; token: string };
    await api.call(`/instances/${id}`, { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
  };

  describe("by network", () => {
    it("lets the addresses of a /24 hold as many as four of them may, and other networks go on", async () => {
      await open(noWork);
      const answers = [];
      for (let host = 1; host <= 7; host++)
        for (let count = 0; count < 6; count++) answers.push((await post(`198.51.100.${host}`)).status);
      assert.deepEqual([answers.slice(0, 24), answers.slice(24)], [Array(24).fill(201), Array(18).fill(403)]);
      const refused = await post("198.51.100.77");
      assert.match(
        await assertProblem(refused, 403, "network-quota-exceeded", ["nextFreeAt"]),
        /addresses of your network have reached their limit of 24 instances.*wait 12 h/,
      );
      assert.equal((await post("203.0.113.1")).status, 201);
    });

    it("counts the /64s of a /48 together", async () => {
      await open({ ...noWork, QUOTA_PER_ADDRESS: "2" });
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
      assert.match(
        await assertProblem(refused, 429, "starts-exceeded"),
        /Your IP address has started 2 instances within a day, which is the limit.*Try again in 24 h/,
      );
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

  describe("of newcomers", () => {
    it("leaves a place for each of them, whoever tries to fill the box", async () => {
      await open(noWork);
      for (let network = 1; network <= 7; network++)
        for (let count = 0; count < 6; count++) await post(`198.51.${network}.1`);
      assert.equal(api.fleet.room().occupied, 33, "a fifth of the slots was left, and one more address was new");
      await assertProblem(await post("198.51.7.1"), 503, "kept-for-newcomers");
      const crowd = [];
      for (let host = 1; host <= 10; host++) crowd.push((await post(`2001:db8:1:${host}::1`)).status);
      assert.deepEqual(crowd, [...Array<number>(6).fill(201), ...Array<number>(4).fill(503)], "one network, many /64s");
      assert.equal((await post("203.0.113.1")).status, 201);
    });

    it("stops all at the rate, and earlier those who had one; a failure on our side does not count", async () => {
      await open({ ...noWork, HANDOUTS_PER_MINUTE: "5" }, 100);
      const statuses = [];
      for (let count = 0; count < 5; count++) statuses.push((await post("198.51.100.1")).status);
      assert.deepEqual(statuses, [201, 201, 201, 201, 429]);
      api.service.faults.add({ call: "startContainer", times: 1, fault: () => new Error("no container") });
      assert.equal((await post("203.0.113.1")).status, 503);
      api.service.time.pass(1_000);
      await api.seeHosts();
      assert.equal((await post("203.0.113.1")).status, 201);
      const refused = await post("203.0.113.2");
      assert.equal(refused.headers.get("retry-after"), "10");
      assert.match(await assertProblem(refused, 429, "busy"), /hands out 5 instances a minute/);
      api.service.time.pass(120_000);
      await api.seeHosts();
      assert.equal((await post("203.0.113.2")).status, 201);
    });
  });

  describe("by work", () => {
    /** Fills a box of ten until it asks for work. */
    const fill = async () => {
      await open(littleWork, 10);
      for (let network = 1; network <= 8; network++) assert.equal((await post(`198.51.${network}.1`)).status, 201);
      return (await (await post("203.0.113.1")).json()) as Work;
    };

    it("asks for none while there is room, and for more as room goes", async () => {
      await open(littleWork, 20);
      const asked = [];
      for (let network = 1; network <= 20; network++) {
        const { answer, bits } = await work(`198.51.${network}.1`);
        assert.equal(answer.status, 201);
        asked.push(bits);
      }
      assert.deepEqual(asked, [...Array<number>(15).fill(0), 5, 6, 6, 7, 7]);
    });

    it("says in the refusal what to do, for programs and for people", async () => {
      const { type, challenge, bits, detail } = await fill();
      assert.deepEqual([type, bits], ["urn:getaredis:proof-of-work-needed", 6]);
      assert.ok(detail.includes(`Proof-Of-Work: ${challenge}:n`), detail);
      const text = await post("203.0.113.1", { accept: "text/plain" });
      assert.deepEqual([text.status, text.headers.get("retry-after")], [429, "0"]);
      assert.match(
        await text.text(),
        /^A proof of work is needed\. Many people want an instance now.* SHA-256 of \S+:n begins with 6 zero bits, .* 2 min /,
      );
    });

    it("takes a proof once, from its own address, in time, and with all its bits", async () => {
      const { challenge, bits } = await fill();
      const proof = solve(challenge, bits);
      const refusal = async (address: string, sent: string) =>
        assertProblem(await post(address, { "proof-of-work": sent }), 429, "proof-of-work-needed", members);
      assert.match(await refusal("203.0.114.1", proof), /does not solve its challenge for this IP address/);
      assert.match(await refusal("203.0.113.1", challenge), /does not solve/);
      const easy = makeChallenge(3, new Date(api.service.clock().getTime() + 60_000), Buffer.alloc(12), {
        serverSecret: "secret-of-the-server",
        address: "203.0.113.1",
      });
      assert.match(await refusal("203.0.113.1", solve(easy.text, 3)), /too easy by now/);
      assert.equal((await post("203.0.113.1", { "proof-of-work": proof })).status, 201);
      assert.match(await refusal("203.0.113.1", proof), /has been used before/);
      const late = (await (await post("203.0.115.1")).json()) as Work;
      const solved = solve(late.challenge, late.bits);
      api.service.time.pass(121_000);
      await api.seeHosts();
      assert.match(await refusal("203.0.115.1", solved), /too old/);
    });

    it("does not ask the store about a refused proof", async () => {
      const { challenge } = await fill();
      api.service.faults.add({ call: "handouts.readClaim", fault: () => new Error("it was asked") });
      api.service.faults.add({ call: "handouts.takeSlot", fault: () => new Error("it was asked") });
      const headers = { "proof-of-work": `${challenge}:no`, "idempotency-key": "1b4e28ba-2fa1-11d2-883f-0016d3cca427" };
      await assertProblem(await post("203.0.113.1", headers), 429, "proof-of-work-needed", members);
    });

    it("gives the known answer to a retry, whose proof is used up by then", async () => {
      const { challenge, bits } = await fill();
      const headers = {
        "proof-of-work": solve(challenge, bits),
        "idempotency-key": "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
      };
      const [first, again] = [await post("203.0.113.1", headers), await post("203.0.113.1", headers)];
      assert.deepEqual([first.status, again.status], [201, 201]);
      assert.equal(await again.text(), await first.text());
    });

    it("leaves a proof good for another try after a failure on our side", async () => {
      const { challenge, bits } = await fill();
      const headers = { "proof-of-work": solve(challenge, bits) };
      api.service.faults.add({ call: "startContainer", times: 1, fault: () => new Error("no container") });
      assert.equal((await post("203.0.113.1", headers)).status, 503);
      api.service.time.pass(1_000);
      await api.seeHosts();
      assert.equal((await post("203.0.113.1", headers)).status, 201);
    });

    it("lets nobody work for what is not there: a full box is full", async () => {
      await open({ ...littleWork, NEWCOMER_PERCENT: "0" }, 2);
      for (const address of ["198.51.1.1", "198.51.2.1"]) await work(address);
      await assertProblem(await post("203.0.113.1"), 503, "no-capacity");
    });

    it("goes on by the load alone while the counts are away, and believes no proof that nobody can check", async () => {
      const { challenge, bits } = await fill();
      api.service.faults.add({ call: "pressure.read", fault: () => new Unavailable("redis", new Error("gone")) });
      api.service.faults.add({ call: "pressure.count", fault: () => new Unavailable("redis", new Error("gone")) });
      const headers = { "proof-of-work": solve(challenge, bits) };
      assert.equal((await post("203.0.113.1", headers)).status, 201);
      api.service.faults.add({ call: "pressure.useProof", fault: () => new Unavailable("redis", new Error("gone")) });
      const other = (await (await post("203.0.114.1")).json()) as Work;
      const unchecked = await post("203.0.114.1", { "proof-of-work": solve(other.challenge, other.bits) });
      await assertProblem(unchecked, 503, "unavailable");
    });

    it("is done by the client of the API reference", async () => {
      const { challenge } = await fill();
      assert.ok(challenge);
      const origin = await api.listen();
      const { stdout } = await promisify(execFile)("python3", ["-c", PYTHON_CLIENT, origin]);
      assert.match(stdout, /^redis:\/\/default:/);
    });
  });
});
