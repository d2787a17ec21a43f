import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { pino } from "pino";
import { createControlPlane, type ControlPlane } from "../../../apps/adapters/control-plane/remote.ts";
import { readEdgeFiles, writeEdgeFiles } from "../../../apps/adapters/pki/edge-files.ts";
import { enrolmentTlsIn } from "../../../apps/adapters/pki/pki-files.ts";
import { SCALING } from "../../../apps/core/fleet/scaling.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import type { Store } from "../../../apps/core/store.ts";
import { buildEnrolment } from "../../../apps/enrolment/server.ts";
import { hashSecret } from "../../../apps/lib/secrets.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinLeadership } from "../../../apps/twins/leadership.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";
import { createTables } from "../../../apps/twins/store/tables.ts";
import { ensurePki } from "../../../infra/pki/ensure-pki.ts";
import { describeRoutes } from "../../contracts/store/routes.ts";

const SECRET = "0f".repeat(32);

describe("the control plane, as a gateway on a droplet asks it", () => {
  let dir: string;
  let ca: string;
  let url: string;
  let store: Store;
  let term: number;
  let certificate = { chain: "chain", key: "key" };
  const granted: string[] = [];
  let app: Awaited<ReturnType<typeof buildEnrolment>>;
  const planes: ControlPlane[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-control-plane-"));
    await ensurePki(dir, { enrolmentNames: ["127.0.0.1"], now: new Date() });
    ca = await readFile(join(dir, "ca.pem"), "utf8");
    const now = <Noun extends keyof Store>(noun: Noun): Store[Noun] =>
      new Proxy({}, { get: (_, call) => Reflect.get(store[noun], call) as unknown }) as Store[Noun];
    app = await buildEnrolment({
      logger: pino({ level: "silent" }),
      tls: enrolmentTlsIn(dir, () => performance.now())(),
      enrol: {
        store: { droplets: now("droplets") },
        authority: { readRequest: () => ({ refusal: "no host is asked for here" }), certify: () => "" },
        heartbeatPassword: () => "",
        grantHeartbeat: () => Promise.resolve(),
        clock: () => new Date(),
      },
      gateways: {
        store: {
          gatewayDroplets: now("gatewayDroplets"),
          routes: now("routes"),
          services: now("services"),
          announcers: now("announcers"),
          events: now("events"),
        },
        environmentOf: (name) => `GATEWAY_NAME="${name}"\n`,
        grantRedis: (name) => Promise.resolve(void granted.push(name)),
        readCertificate: () => Promise.resolve(certificate),
        program: () =>
          Promise.resolve({ files: new Map([["package.json", Buffer.from("{}")]]), nodeFile: join(dir, "ca.pem") }),
        clock: () => new Date(),
      },
      http: loadSettings({}).http,
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    url = `https://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  });
  after(async () => {
    for (const plane of planes) plane.close();
    await app.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** A store that is new, in which a gateway is ordered. */
  async function open(): Promise<string> {
    const tables = createTables();
    store = createTwinStore(tables);
    term = (await createTwinLeadership(tables, SCALING).term()) ?? assert.fail("nobody else leads");
    const intent = { namePrefix: "gar-gw", region: "fra1", size: "small", plan: "plan", cap: 5 };
    return (
      (await store.gatewayDroplets.addOrder(term, { ...intent, tokenHash: hashSecret("token") }, new Date())) ??
      assert.fail("the order is refused")
    );
  }

  const told: boolean[] = [];
  function ask(gateway: string, secret = SECRET): ControlPlane {
    const plane = createControlPlane({ url, ca, gateway, secret, answerMs: 5_000 }, (is) => void told.push(is));
    planes.push(plane);
    return plane;
  }

  /** As the script in user-data enrols: with the hash of its secret. */
  const enrol = (name: string, token = "token", secret = SECRET) =>
    app.inject({
      method: "POST",
      url: `/gateways/${name}/enrolment`,
      headers: { authorization: `Bearer ${token}`, "content-type": "text/plain" },
      payload: hashSecret(secret).toString("hex"),
    });

  describeRoutes(async () => {
    const name = await open();
    await enrol(name);
    const own = store;
    return {
      store: { ...own, routes: ask(name).routes },
      another: () => own,
      lead: () => Promise.resolve(term),
      count: () => Promise.resolve(0),
      close: () => Promise.resolve(),
    };
  });

  describe("with a gateway", () => {
    let name: string;
    let plane: ControlPlane;
    beforeEach(async () => {
      name = await open();
      certificate = { chain: "chain", key: "key" };
      told.length = granted.length = 0;
      const answer = await enrol(name);
      assert.deepEqual([answer.statusCode, answer.body], [200, `GATEWAY_NAME="${name}"\n`]);
      plane = ask(name);
    });

    it("lets it log in to Redis before it is told how", () => {
      assert.deepEqual(granted, [name]);
    });

    it("answers nobody who shows another secret, no secret, or another gateway's name", async () => {
      const other =
        (await store.gatewayDroplets.addOrder(
          term,
          {
            ...{ namePrefix: "gar-gw", region: "fra1", size: "small", plan: "plan", cap: 5 },
            tokenHash: hashSecret("t"),
          },
          new Date(),
        )) ?? assert.fail("the order is refused");
      for (const stranger of [ask(name, "ab".repeat(32)), ask(other)])
        for (const call of [
          () => stranger.routes.read(undefined, []),
          () => stranger.services.list(),
          () => stranger.readCertificate(),
          () => stranger.events.add({ actor: "gateway", kind: "gateway-join", reason: "mine" }, new Date()),
        ])
          await assert.rejects(call(), Unavailable);
      for (const path of ["routes", "services", "certificate", "program", "events"]) {
        const method = path === "routes" || path === "events" ? "POST" : "GET";
        const answer = await app.inject({ method, url: `/gateways/${name}/${path}` });
        assert.deepEqual([path, answer.statusCode], [path, 401]);
      }
      assert.equal((await enrol(name, "token", "ab".repeat(32))).statusCode, 401, "the token has been used");
      assert.equal((await enrol(name, "another")).statusCode, 401);
    });

    it("tells services, and of those who announce no more than their names", async () => {
      await store.announcers.add({
        ...{
          name: "web-1",
          applications: ["shop"],
          nonce: Buffer.from("secret"),
          createdAt: new Date(),
          createdBy: "me",
        },
      });
      assert.deepEqual(await plane.announcers.list(), [{ name: "web-1", applications: ["shop"] }]);
      assert.deepEqual(await plane.services.list(), await store.services.list());
    });

    it("gives the certificate once, and again when it is another one", async () => {
      assert.deepEqual(await plane.readCertificate(), certificate);
      assert.equal(await plane.readCertificate(), undefined);
      certificate = { chain: "renewed", key: "another" };
      const renewed = (await plane.readCertificate()) ?? assert.fail("it is another one");
      const folder = join(dir, "certificates", "current");
      await writeEdgeFiles(folder, { chain: "chain", key: "key" });
      await writeEdgeFiles(folder, renewed);
      assert.deepEqual(await readEdgeFiles(folder), certificate);
    });

    it("keeps what it says has happened under its name, and nothing that is not a gateway's to say", async () => {
      await plane.events.add({ actor: "gateway", kind: "gateway-join", reason: "carries all routes" }, new Date());
      const data = { service: "web", member: "10.0.0.1:80" };
      await plane.events.add({ actor: "gateway", kind: "member-retired", reason: "no answer", data }, new Date());
      const forged = { actor: "operator", kind: "block", reason: "x", data: { address: "0.0.0.0/0" } } as const;
      await assert.rejects(plane.events.add(forged, new Date()), Unavailable);
      const kept = (await store.events.list({}, 10)).map(({ actor, kind, host }) => [actor, kind, host]);
      assert.deepEqual(kept, [
        ["gateway", "member-retired", name],
        ["gateway", "gateway-join", name],
      ]);
    });

    it("says with each answer whether it drains, and knows it no more once its end has begun", async () => {
      await store.gatewayDroplets.adopt(name, 7, 0);
      await store.gatewayDroplets.admit(name, new Date());
      await plane.routes.read(undefined, []);
      await store.gatewayDroplets.beginDrain(term, name, new Date());
      await plane.routes.read(undefined, []);
      assert.deepEqual(told, [false, true]);
      await store.gatewayDroplets.beginDestroy(term, name, "drained", new Date());
      await assert.rejects(plane.readCertificate(), Unavailable);
    });

    it("is recognised by its CA alone", async () => {
      const other = join(dir, "other");
      await ensurePki(other, { enrolmentNames: ["127.0.0.1"], now: new Date() });
      const place = { url, gateway: name, secret: SECRET, answerMs: 5_000 };
      const misled = createControlPlane(
        { ...place, ca: await readFile(join(other, "ca.pem"), "utf8") },
        () => undefined,
      );
      await assert.rejects(misled.readCertificate(), Unavailable);
      misled.close();
    });
  });
});
