import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { inspect } from "node:util";
import { makeCertificate } from "../../../apps/adapters/pki/certificates.ts";
import {
  createDigitalOceanCloud,
  type CloudCall,
  type DigitalOceanSettings,
} from "../../../apps/adapters/digitalocean/index.ts";
import { CloudFault, type CloudFaultReason, type DropletOrder } from "../../../apps/core/fleet/cloud.ts";
import type { FaultRule } from "../../../infra/lab/digitalocean/faults.ts";
import { startDigitalOcean, type LabCloud, type LabSettings } from "../../../infra/lab/digitalocean/index.ts";
import { defaultVpcs } from "../../../infra/lab/digitalocean/vpcs.ts";
import { freePort } from "../../../infra/process/free-port.ts";

const TOKEN = "dop_v1_0123456789abcdef0123456789";
const TAG = "getaredis-test";
const order: DropletOrder = {
  name: "host-1",
  tag: TAG,
  region: "fra1",
  size: "s-1vcpu-2gb",
  image: "debian-12-x64",
  vpc: undefined,
  sshKeys: [],
  userData: "#!/bin/sh\n# for this host alone\n",
};
const inbound = [
  { protocol: "tcp", ports: "20000-20039", sources: ["0.0.0.0/0", "::/0"] },
  { protocol: "tcp", ports: "2376", sources: ["10.135.0.0/16"] },
] as const;

describe("the DigitalOcean adapter", () => {
  const ends: (() => Promise<void>)[] = [];
  const calls: CloudCall[] = [];
  let lab: LabCloud;
  /** Moves only when the adapter pauses. */
  let pauses: number[];

  beforeEach(async () => {
    lab = await startLab();
    calls.length = 0;
    pauses = [];
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  const startLab = async (settings: Partial<LabSettings> = {}): Promise<LabCloud> => {
    const started = await startDigitalOcean({ token: TOKEN, limits: { perMinute: 5000 }, ...settings });
    ends.push(() => started.stop());
    return started;
  };
  const open = (settings: Partial<DigitalOceanSettings> = {}) =>
    createDigitalOceanCloud({
      token: TOKEN,
      url: lab.url,
      timeoutMs: 2_000,
      onCall: (call) => calls.push(call),
      ...settings,
    });
  /** An adapter whose pauses take no time, and move its clock. */
  const openHasty = (settings: Partial<DigitalOceanSettings> = {}) => {
    let aheadMs = 0;
    const delay = (ms: number) => {
      pauses.push(ms);
      aheadMs += ms;
      return Promise.resolve();
    };
    return {
      cloud: open({
        clock: () => Date.now() + aheadMs,
        delay,
        random: () => 1,
        budgetMs: 20_000,
        timeoutMs: 2_000,
        ...settings,
      }),
      pass: (ms: number) => (aheadMs += ms),
    };
  };
  /** An API whose answers the test chooses. */
  const answering = (answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> =>
    listening(
      createServer((request, response) => {
        response.setHeader("content-type", "application/json");
        answer(request, response);
      }),
    );
  const listening = async (server: Server): Promise<string> => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ends.push(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2`;
  };
  const faultOf = async (work: Promise<unknown>): Promise<CloudFault> => {
    const fault: unknown = await work.then(
      () => assert.fail("it worked"),
      (error: unknown) => error,
    );
    assert.ok(fault instanceof CloudFault, `not a CloudFault: ${inspect(fault)}`);
    return fault;
  };
  const outcomes = () => calls.map(({ method, route, outcome }) => `${method} ${route} ${outcome}`);

  describe("droplets", () => {
    it("are ordered with everything the order says", async () => {
      const vpc = "760e09ef-dc84-11e8-981e-3cfdfeaae000";
      const network = {
        id: vpc,
        name: "fleet",
        region: "fra1",
        ipRange: "10.9.0.0/20",
        isDefault: false,
        createdAt: 0,
      };
      lab = await startLab({ sshKeys: [512190, "3b:16:e4:bf"], vpcs: [...defaultVpcs(), network] });
      const made = await open().createDroplet({ ...order, vpc, sshKeys: ["512190", "3b:16:e4:bf"] });
      const [kept] = lab.droplets();
      assert.deepEqual(
        [kept?.id, kept?.name, kept?.region, kept?.size, kept?.image.slug, kept?.tags, kept?.vpc, kept?.userData],
        [made.id, "host-1", "fra1", "s-1vcpu-2gb", "debian-12-x64", [TAG], vpc, order.userData],
      );
    });

    it("are listed over all pages, 200 at a time, and only those with the tag", async () => {
      for (let number = 0; number < 450; number++) lab.add({ name: `host-${number}`, tags: [TAG, "more"] });
      for (let number = 0; number < 30; number++)
        lab.add({ name: `other-${number}`, tags: number % 2 === 0 ? [] : [`${TAG}-2`] });
      const listed = await open().listDroplets(TAG);
      assert.deepEqual(
        listed.map(({ name }) => name).sort(),
        Array.from({ length: 450 }, (_, number) => `host-${number}`).sort(),
      );
      assert.deepEqual(outcomes(), ["GET /droplets 200", "GET /droplets 200", "GET /droplets 200"]);
    });

    it("are gone only when the API says so, not when something on the way knows no such page", async () => {
      const url = await answering((_request, response) =>
        response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not Found</h1>"),
      );
      assert.equal((await faultOf(open({ url }).getDroplet(1))).reason, "refused");
      assert.equal((await faultOf(open({ url }).deleteDroplet(1))).reason, "refused");
    });
  });

  describe("a fault", () => {
    const table: Record<string, readonly [FaultRule, CloudFaultReason, CloudFault["effect"]]> = {
      "of too many calls": [{ kind: "rate-limit" }, "rate-limited", "none"],
      "of the cloud's own": [{ kind: "server-error" }, "server-error", "unknown"],
      "of no answer in time": [{ kind: "hang" }, "timeout", "unknown"],
      "of a broken connection": [{ kind: "answer-lost" }, "unreachable", "unknown"],
      "of half an answer": [{ kind: "half-answer" }, "refused", "unknown"],
      "of the droplet limit": [{ kind: "droplet-limit" }, "droplet-limit", "none"],
      "of a size out of stock": [{ kind: "out-of-stock", size: "s-1vcpu-2gb" }, "out-of-stock", "none"],
    };
    for (const [name, [rule, reason, effect]] of Object.entries(table)) {
      it(`${name} ends an order after its one request, with ${reason} and ${effect} as its effect`, async () => {
        lab.faults.add(rule);
        // Only a cloud that hangs is to be late, however busy the machine is.
        const timeoutMs = rule.kind === "hang" ? 200 : 10_000;
        const fault = await faultOf(open({ timeoutMs }).createDroplet(order));
        assert.deepEqual([fault.reason, fault.effect], [reason, effect]);
        assert.deepEqual(lab.calls.counts(), { "POST /v2/droplets": 1 });
        assert.equal(calls.length, 1);
        if (effect === "none") assert.deepEqual(lab.everMade(), []);
      });
    }

    it("of a size or a region that takes no new droplets now is one of stock", async () => {
      const cloud = open();
      assert.equal((await faultOf(cloud.createDroplet({ ...order, size: "c-2" }))).reason, "out-of-stock");
      assert.equal((await faultOf(cloud.createDroplet({ ...order, region: "nyc2" }))).reason, "out-of-stock");
    });

    it("of a token that is not taken comes at once, from every function", async () => {
      const cloud = open({ token: "dop_v1_of_somebody_else" });
      const works = [
        cloud.listDroplets(TAG),
        cloud.findDroplets("host-1"),
        cloud.getDroplet(1),
        cloud.createDroplet(order),
        cloud.deleteDroplet(1),
        cloud.ensureTag(TAG),
        cloud.ensureFirewall({ name: "ours", tag: TAG, inbound }),
        cloud.readAccount(),
        cloud.checkOffer({ region: "fra1", sizes: [], image: "debian-12-x64", vpc: undefined }),
      ];
      for (const work of works) {
        const fault = await faultOf(work);
        assert.deepEqual([fault.reason, fault.effect], ["unauthorized", "none"]);
      }
      assert.equal(calls.length, works.length);
    });

    it("of an API that is not there says that its effect is unknown for an order, and none for a read", async () => {
      const url = `http://127.0.0.1:${await freePort()}/v2`;
      const { cloud } = openHasty({ url });
      const ordering = await faultOf(cloud.createDroplet(order));
      assert.deepEqual([ordering.reason, ordering.effect], ["unreachable", "unknown"]);
      const looking = await faultOf(cloud.listDroplets(TAG));
      assert.deepEqual([looking.reason, looking.effect], ["unreachable", "none"]);
      assert.ok(outcomes().length > 2);
      assert.ok(outcomes().every((outcome) => outcome.endsWith("unreachable")));
    });

    it("of a gateway that gave up waiting leaves an order's effect unknown", async () => {
      for (const [status, reason] of [
        [408, "timeout"],
        [502, "server-error"],
        [504, "server-error"],
      ] as const) {
        const url = await answering((_request, response) =>
          response.writeHead(status, { "content-type": "text/html" }).end("<h1>Gateway</h1>"),
        );
        const fault = await faultOf(open({ url }).createDroplet(order));
        assert.deepEqual([fault.reason, fault.effect], [reason, "unknown"]);
      }
    });

    it("of an API whose certificate nobody vouches for comes before the token is sent", async () => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const cert = makeCertificate(
        {
          commonName: "api",
          publicKey,
          kind: "server",
          names: ["127.0.0.1"],
          notBefore: new Date(Date.now() - 60_000),
          notAfter: new Date(Date.now() + 60_000),
        },
        undefined,
        privateKey,
      );
      const asked: string[] = [];
      const server = createSecureServer(
        { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }) },
        (request, response) => {
          asked.push(request.url ?? "");
          response.end();
        },
      );
      const url = await listening(server);
      assert.equal(
        (await faultOf(open({ url: url.replace("http:", "https:") }).createDroplet(order))).reason,
        "unreachable",
      );
      assert.deepEqual(asked, []);
    });

    it("of another event on the droplet is reported as busy, and not tried again", async () => {
      const { id } = lab.add({ name: "host-1", tags: [TAG] });
      lab.faults.add({ kind: "delete-refused" });
      assert.equal((await faultOf(open().deleteDroplet(id))).reason, "busy");
      assert.equal(calls.length, 1);
    });

    it("reveals neither the token nor the user data, however it is printed", async () => {
      const secret = "one-time-token-of-the-host";
      const kinds: readonly FaultRule["kind"][] = [
        "rate-limit",
        "server-error",
        "hang",
        "answer-lost",
        "half-answer",
        "droplet-limit",
      ];
      const seen: string[] = [];
      for (const kind of kinds) {
        lab.faults.add({ kind, times: 1 });
        const fault = await faultOf(open({ timeoutMs: 200 }).createDroplet({ ...order, userData: secret }));
        seen.push(inspect(fault, { depth: 20, showHidden: true }), JSON.stringify(fault), String(fault.stack));
      }
      const echo = await answering((request, response) =>
        response
          .writeHead(422)
          .end(JSON.stringify({ id: "x", message: `what is ${request.headers.authorization ?? ""}?` })),
      );
      seen.push(inspect(await faultOf(open({ url: echo }).readAccount()), { depth: 20 }));
      for (const text of seen) assert.ok(!text.includes(TOKEN) && !text.includes(secret), text);
    });
  });

  describe("asking again", () => {
    it("gets reads and deletions through faults that pass", async () => {
      const { cloud } = openHasty();
      const { id } = lab.add({ name: "host-1", tags: [TAG] });
      const passing: readonly FaultRule[] = [
        { kind: "server-error", times: 3 },
        { kind: "hang", times: 1 },
        { kind: "answer-lost", times: 2 },
        { kind: "rate-limit", times: 2 },
      ];
      for (const rule of passing) {
        lab.calls.clear();
        lab.faults.add(rule);
        assert.equal((await cloud.listDroplets(TAG)).length, 1, rule.kind);
        assert.deepEqual(lab.calls.counts(), { "GET /v2/droplets": (rule.times ?? 0) + 1 });
      }
      lab.faults.add({ kind: "delete-fails", times: 2 });
      assert.equal(await cloud.deleteDroplet(id), "deleting");
    });

    it("takes a deletion whose answer was lost for done when the droplet is gone", async () => {
      const { id } = lab.add({ name: "host-1", tags: [TAG] });
      lab.faults.add({ kind: "answer-lost", times: 1, method: "DELETE" });
      assert.ok(["deleting", "gone"].includes(await open().deleteDroplet(id)));
      await lab.settle();
      assert.deepEqual(lab.droplets(), []);
    });

    it("waits longer each time, and ends within its budget with the last fault", async () => {
      lab.faults.add({ kind: "server-error" });
      const { cloud } = openHasty({ budgetMs: 10_000 });
      assert.equal((await faultOf(cloud.listDroplets(TAG))).reason, "server-error");
      assert.deepEqual(pauses, [250, 500, 1000, 2000, 4000]);
      assert.equal(calls.length, 6);
    });

    it("spreads its pauses", async () => {
      lab.faults.add({ kind: "server-error", times: 2 });
      await openHasty({ random: () => 0 }).cloud.listDroplets(TAG);
      assert.deepEqual(pauses, [125, 250]);
    });

    it("ends within its budget although no answer comes", async () => {
      lab.faults.add({ kind: "hang" });
      assert.equal((await faultOf(open({ timeoutMs: 150, budgetMs: 700 }).listDroplets(TAG))).reason, "timeout");
      assert.ok(calls.length >= 1 && calls.length <= 4, `${calls.length} calls`);
    });
  });

  describe("the rate limit", () => {
    it("is waited for as long as the API says, when there is time for it", async () => {
      lab.faults.add({ kind: "rate-limit", times: 1, retryAfterSeconds: 7 });
      const { cloud } = openHasty();
      assert.deepEqual(await cloud.listDroplets(TAG), []);
      const waitedMs = pauses.reduce((sum, ms) => sum + ms, 0);
      assert.ok(waitedMs > 5_000 && waitedMs <= 7_000, `${waitedMs} ms`);
      assert.deepEqual(outcomes(), ["GET /droplets 429", "GET /droplets 200"]);
    });

    it("ends the call at once when there is none, and keeps every further call from the API until then", async () => {
      lab.faults.add({ kind: "rate-limit", times: 1, retryAfterSeconds: 60 });
      const { cloud, pass } = openHasty();
      for (const work of [
        () => cloud.listDroplets(TAG),
        () => cloud.createDroplet(order),
        () => cloud.deleteDroplet(1),
      ]) {
        const fault = await faultOf(work());
        assert.deepEqual([fault.reason, fault.effect], ["rate-limited", "none"]);
      }
      assert.equal(lab.calls.list().length, 1);
      pass(60_000);
      await cloud.createDroplet(order);
      assert.equal(lab.everMade().length, 1);
    });

    it("is kept before it is passed: with the hour's last call used up no further one is made", async () => {
      lab = await startLab({ limits: { perHour: 2, perMinute: 100 } });
      const { cloud, pass } = openHasty();
      await cloud.listDroplets(TAG);
      await cloud.listDroplets(TAG);
      assert.equal((await faultOf(cloud.listDroplets(TAG))).reason, "rate-limited");
      assert.equal(lab.calls.list().length, 2);
      pass(3_602_000);
      await faultOf(cloud.listDroplets(TAG));
      assert.equal(lab.calls.list().at(-1)?.status, 429, "the API is asked again when its hour is over");
    });

    it("of a burst is waited for too", async () => {
      lab = await startLab({ limits: { perMinute: 2 } });
      const { cloud } = openHasty();
      for (let number = 0; number < 2; number++) await cloud.listDroplets(TAG);
      assert.equal((await faultOf(cloud.listDroplets(TAG))).reason, "rate-limited");
      assert.equal(lab.calls.list().length, 3);
    });
  });

  describe("an answer of another form", () => {
    const droplet = (id: number, tags: readonly string[] = [TAG]) => ({
      id,
      name: `host-${id}`,
      status: "active",
      created_at: "2026-01-01T00:00:00Z",
      region: { slug: "fra1" },
      size_slug: "s",
      memory: 2048,
      size: { price_hourly: 0.01 },
      networks: { v4: [] },
      tags,
    });
    const halves: Record<string, unknown> = {
      nothing: "",
      null: null,
      "a text": "<html>Welcome</html>",
      "no list": { links: {}, meta: { total: 0 } },
      "a list without its total": { droplets: [] },
      "fewer than there are": { droplets: [droplet(1)], links: {}, meta: { total: 2 } },
      "none, and there are some": { droplets: [], links: {}, meta: { total: 300 } },
      "a droplet without an id": { droplets: [{ ...droplet(1), id: undefined }], links: {}, meta: { total: 1 } },
      "a droplet in an unknown state": {
        droplets: [{ ...droplet(1), status: "melted" }],
        links: {},
        meta: { total: 1 },
      },
      "a page that follows itself": {
        droplets: [droplet(1)],
        links: { pages: { next: "https://api.digitalocean.com/v2/droplets?page=1" } },
        meta: { total: 2 },
      },
      "a next page that is nowhere": { droplets: [droplet(1)], links: { pages: { next: "::" } }, meta: { total: 2 } },
    };
    for (const [name, body] of Object.entries(halves)) {
      it(`(${name}) is a fault, never an empty fleet`, async () => {
        const url = await answering((_request, response) =>
          response.end(typeof body === "string" ? body : JSON.stringify(body)),
        );
        const fault = await faultOf(open({ url }).listDroplets(TAG));
        assert.deepEqual([fault.reason, fault.effect], ["refused", "none"]);
        assert.match(fault.message, /^cloud: GET \/droplets: /);
      });
    }

    it("that has other droplets than were asked for makes none of them ours", async () => {
      const url = await answering((_request, response) =>
        response.end(
          JSON.stringify({
            droplets: [droplet(1, ["web"]), droplet(2), droplet(3, [])],
            links: {},
            meta: { total: 3 },
          }),
        ),
      );
      assert.deepEqual(
        (await open({ url }).listDroplets(TAG)).map(({ id }) => id),
        [2],
      );
      assert.deepEqual(
        (await open({ url }).findDroplets("host-3")).map(({ id }) => id),
        [3],
      );
    });

    it("that has a droplet on two pages lists it once", async () => {
      const url = await answering((request, response) => {
        const isFirst = new URL(request.url ?? "", "http://localhost").searchParams.get("page") === "1";
        response.end(
          JSON.stringify({
            droplets: isFirst ? [droplet(1), droplet(2)] : [droplet(2), droplet(3)],
            links: isFirst ? { pages: { next: "https://api.digitalocean.com/v2/droplets?page=2" } } : {},
            meta: { total: 4 },
          }),
        );
      });
      assert.deepEqual(
        (await open({ url }).listDroplets(TAG)).map(({ id }) => id),
        [1, 2, 3],
      );
    });

    it("that points to another host is followed by its page's number alone, and a redirect not at all", async () => {
      const strangers: string[] = [];
      const elsewhere = await answering((request, response) => {
        strangers.push(request.url ?? "");
        response.end("{}");
      });
      const url = await answering((request, response) => {
        const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
        const page = Number(searchParams.get("page"));
        if (pathname.endsWith("/account")) response.writeHead(307, { location: `${elsewhere}/account` }).end();
        else
          response.end(
            JSON.stringify({
              droplets: [droplet(page)],
              links: page < 3 ? { pages: { next: `${elsewhere}/droplets?page=${page + 1}` } } : {},
              meta: { total: 3 },
            }),
          );
      });
      assert.deepEqual(
        (await open({ url }).listDroplets(TAG)).map(({ id }) => id),
        [1, 2, 3],
      );
      assert.equal((await faultOf(open({ url }).readAccount())).reason, "refused");
      assert.deepEqual(strangers, []);
    });

    it("that leaves out a page is a fault at once", async () => {
      const url = await answering((_request, response) =>
        response.end(
          JSON.stringify({
            droplets: [droplet(1)],
            links: { pages: { next: "https://api.digitalocean.com/v2/droplets?page=3" } },
            meta: { total: 1 },
          }),
        ),
      );
      assert.equal((await faultOf(open({ url }).listDroplets(TAG))).reason, "refused");
      assert.equal(calls.length, 1);
    });

    it("to an order leaves its effect unknown", async () => {
      const url = await answering((_request, response) =>
        response.writeHead(202).end(JSON.stringify({ droplet: { id: 5 } })),
      );
      const fault = await faultOf(open({ url }).createDroplet(order));
      assert.deepEqual([fault.reason, fault.effect], ["refused", "unknown"]);
    });
  });

  describe("what droplets need around them", () => {
    it("is made once: the tag", async () => {
      const cloud = open();
      await cloud.ensureTag(TAG);
      await cloud.ensureTag(TAG);
      assert.deepEqual(outcomes(), ["GET /tags/:name 404", "POST /tags 201", "GET /tags/:name 200"]);
    });

    it("is made once, and corrected when it differs: the firewall", async () => {
      const cloud = open();
      await cloud.ensureTag(TAG);
      calls.length = 0;
      const plan = { name: "ours", tag: TAG, inbound };
      await cloud.ensureFirewall(plan);
      await cloud.ensureFirewall({ ...plan, inbound: [...inbound].reverse() });
      await cloud.ensureFirewall({ ...plan, inbound: inbound.slice(0, 1) });
      await cloud.ensureFirewall({ ...plan, inbound: inbound.slice(0, 1) });
      assert.deepEqual(outcomes(), [
        "GET /firewalls 200",
        "POST /firewalls 202",
        "GET /firewalls 200",
        "GET /firewalls 200",
        "PUT /firewalls/:id 200",
        "GET /firewalls 200",
      ]);
      const [kept] = await firewalls();
      assert.deepEqual(
        [kept?.name, kept?.tags, kept?.inbound_rules],
        ["ours", [TAG], [{ protocol: "tcp", ports: "20000-20039", sources: { addresses: ["0.0.0.0/0", "::/0"] } }]],
      );
      assert.deepEqual(
        kept?.outbound_rules.map(({ protocol, ports }) => `${protocol} ${ports}`),
        ["icmp 0", "tcp 0", "udp 0"],
      );
    });

    it("is made once by two processes at the same time", async () => {
      await open().ensureTag(TAG);
      await Promise.all([1, 2, 3].map(() => open().ensureFirewall({ name: "ours", tag: TAG, inbound })));
      assert.equal((await firewalls()).length, 1);
    });

    it("survives a lost answer", async () => {
      lab.faults.add({ kind: "answer-lost", times: 1, method: "POST", path: "/v2/tags" });
      lab.faults.add({ kind: "answer-lost", times: 1, method: "POST", path: "/v2/firewalls" });
      const { cloud } = openHasty();
      await cloud.ensureTag(TAG);
      await cloud.ensureFirewall({ name: "ours", tag: TAG, inbound });
      assert.equal((await firewalls()).length, 1);
    });

    it("is put right when somebody has changed it by hand", async () => {
      const cloud = open();
      const plan = { name: "ours", tag: TAG, inbound };
      await cloud.ensureTag(TAG);
      await cloud.ensureFirewall(plan);
      const [made] = await firewalls();
      const changes = [
        { tags: [] },
        { droplet_ids: [1] },
        { outbound_rules: made?.outbound_rules.slice(1) },
        { inbound_rules: made?.inbound_rules.map((rule) => ({ ...rule, sources: { ...rule.sources, tags: [TAG] } })) },
        { inbound_rules: made?.inbound_rules.map((rule) => ({ ...rule, sources: { addresses: ["0.0.0.0/0"] } })) },
      ];
      for (const change of changes) {
        await ask("PUT", `/firewalls/${made?.id ?? ""}`, { ...made, ...change });
        assert.notDeepEqual(await firewalls(), [made]);
        await cloud.ensureFirewall(plan);
        assert.deepEqual(await firewalls(), [made]);
      }
    });

    type Firewall = {
      readonly id: string;
      readonly name: string;
      readonly tags: string[];
      readonly inbound_rules: { readonly sources: object }[];
      readonly outbound_rules: { readonly protocol: string; readonly ports: string }[];
    };
    const firewalls = async () => ((await ask("GET", "/firewalls")) as { firewalls: Firewall[] }).firewalls;
    const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const answer = await fetch(`${lab.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return answer.json();
    };
  });

  describe("the account and the offer", () => {
    it("reports the account's limit and state", async () => {
      lab = await startLab({ account: { dropletLimit: 3, status: "warning", statusMessage: "A card has expired. " } });
      assert.deepEqual(await open().readAccount(), {
        dropletLimit: 3,
        status: "warning",
        statusMessage: "A card has expired.",
      });
    });

    it("has no objections to what can be ordered", async () => {
      const vpc = "5a4981aa-9653-4bd1-bef5-d6bff5204001";
      for (const image of ["debian-12-x64", "170000001"])
        assert.deepEqual(
          await open().checkOffer({ region: "fra1", sizes: ["s-1vcpu-2gb", "s-2vcpu-4gb"], image, vpc }),
          [],
        );
    });

    it("says in a sentence each what cannot be ordered", async () => {
      const check = (change: Partial<Parameters<ReturnType<typeof open>["checkOffer"]>[0]>) =>
        open().checkOffer({
          region: "fra1",
          sizes: ["s-1vcpu-2gb"],
          image: "debian-12-x64",
          vpc: undefined,
          ...change,
        });
      assert.deepEqual(await check({ region: "mars1" }), [
        "There is no region mars1; there are ams3, fra1, lon1, nyc2, nyc3.",
      ]);
      assert.deepEqual(await check({ region: "nyc2" }), [
        "Region nyc2 takes no new droplets.",
        "Droplet size s-1vcpu-2gb is not offered in nyc2, only in ams3, fra1, lon1, nyc3.",
        "Image debian-12-x64 is not in nyc2.",
      ]);
      assert.deepEqual(await check({ sizes: ["c-2", "s-1vcpu-3gb", "huge"], image: "plan9", vpc: "nowhere" }), [
        "Droplet size c-2 is not offered in fra1, only in ams3, nyc3.",
        "Droplet size s-1vcpu-3gb is not offered in fra1.",
        "There is no droplet size huge.",
        "There is no image plan9.",
        "There is no private network nowhere.",
      ]);
      assert.deepEqual(await check({ vpc: "5a4981aa-9653-4bd1-bef5-d6bff5204000" }), [
        "Private network 5a4981aa-9653-4bd1-bef5-d6bff5204000 is in ams3, not in fra1.",
      ]);
    });
  });

  it("keeps the tokens and addresses of two adapters in one process apart", async () => {
    const other = await startDigitalOcean({ token: "dop_v1_another_token_entirely" });
    ends.push(() => other.stop());
    lab.add({ name: "here", tags: [TAG] });
    other.add({ name: "there", tags: [TAG] });
    const clouds = [open(), open({ url: other.url, token: "dop_v1_another_token_entirely" })];
    const names = await Promise.all(
      [...clouds, ...clouds].map(async (cloud) => (await cloud.listDroplets(TAG)).map(({ name }) => name)),
    );
    assert.deepEqual(names, [["here"], ["there"], ["here"], ["there"]]);
  });
});
