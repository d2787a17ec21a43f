import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { addressAt } from "../../apps/core/balance/address.ts";
import type { CarriedServices } from "../../apps/core/balance/carry-services.ts";
import { keepConfiguration } from "../../apps/core/balance/keep-configuration.ts";
import { plainMember, type Balanced } from "../../apps/core/balance/service.ts";
import { PlaneFault } from "../../apps/core/edge/plane-fault.ts";
import { createServiceStep } from "../../apps/gateway/services.ts";
import { createTwinStore } from "../../apps/twins/store/index.ts";

const CERTIFICATE = { haproxy: "/certificate", nginx: "/certificate", mark: "one" };

describe("services on a gateway", () => {
  const service = (name: string, over: Partial<Balanced> = {}): Balanced => ({
    ...{ name, port: 8443, protocol: "http", names: [`${name}.example.org`] },
    ...{ policy: "round-robin", probe: { kind: "tcp" } },
    members: [plainMember(addressAt("10.0.0.5", 80))],
    ...over,
  });
  const database = service("db", { protocol: "tcp", port: 5432, names: [] });

  let services: readonly Balanced[];
  let isWhole: boolean;
  /** Who listens on which ports: of HAProxy, of nginx, and of others on the machine. */
  let ports: { haproxy: Set<number>; nginx: Set<number>; others: Set<number> };
  let acts: string[];
  let alarms: string[];
  let fault: Error | undefined;
  let nowMs: number;
  beforeEach(() => {
    services = [];
    isWhole = true;
    ports = { haproxy: new Set(), nginx: new Set(), others: new Set() };
    [acts, alarms] = [[], []];
    fault = undefined;
    nowMs = 0;
  });

  function start(renderer: "haproxy" | "nginx" | "stdout") {
    const carried = (some: readonly Balanced[]): CarriedServices =>
      new Map(
        some.map(({ name }) => [name, { connections: 0, accepted: 0, bytesIn: 0, bytesOut: 0, members: new Map() }]),
      );
    const nginx = {
      name: "nginx",
      test: () => Promise.resolve(undefined),
      load: (text: string) => {
        const wanted = new Set(Array.from(text.matchAll(/listen \S+:(\d+)/g), ([, port]) => Number(port)));
        const refused = [...wanted].find((port) => ports.others.has(port) || ports.haproxy.has(port));
        if (refused !== undefined) return Promise.resolve(`bind() to 127.0.0.1:${refused} failed (98: in use)`);
        ports.nginx = wanted;
        return Promise.resolve(undefined);
      },
    };
    const step = createServiceStep(
      {
        follower: { look: () => Promise.resolve({ services, isWhole }) },
        haproxy: {
          carry: (some) => {
            if (fault) return Promise.reject(fault);
            ports.haproxy = new Set(some.map(({ port }) => port));
            return Promise.resolve(carried(some));
          },
          isRunning: () => Promise.resolve(ports.haproxy.size > 0),
          stop: () => {
            ports.haproxy.clear();
            return Promise.resolve();
          },
        },
        nginx: {
          configuration: keepConfiguration(
            { plane: nginx, store: createTwinStore(), clock: () => new Date(0), nowMs: () => nowMs },
            "gw-1",
          ),
          folder: "/nginx",
          isRunning: () => Promise.resolve(ports.nginx.size > 0),
          stop: () => {
            ports.nginx.clear();
            return Promise.resolve();
          },
        },
        print: (listing) => void acts.push(listing),
        note: (reason) => {
          alarms.push(reason);
          return Promise.resolve();
        },
        nowMs: () => nowMs,
      },
      { renderer, listenOn: ["127.0.0.1"], zones: [], redirectsPlainHttp: true },
    );
    return async () => {
      const result = await step(CERTIFICATE);
      return result && [...result.keys()].sort();
    };
  }
  const sorted = (some: ReadonlySet<number>) => [...some].sort((one, other) => one - other);

  it("are carried by HAProxy, applications by nginx where that is wanted, and none while not all is known", async () => {
    services = [database, service("web")];
    assert.deepEqual(await start("haproxy")(), ["db", "web"]);
    ports.haproxy.clear();
    assert.deepEqual(await start("nginx")(), ["db", "web"]);
    assert.deepEqual([sorted(ports.haproxy), sorted(ports.nginx)], [[5432], [80, 8443]]);
    isWhole = false;
    services = [];
    assert.equal(await start("nginx")(), undefined, "what runs already may be more");
    assert.deepEqual([sorted(ports.haproxy), sorted(ports.nginx)], [[5432], [80, 8443]]);
    isWhole = true;
    assert.deepEqual(await start("nginx")(), []);
    assert.deepEqual([sorted(ports.haproxy), sorted(ports.nginx)], [[], []]);
  });

  it("change from one to the other at once, which gives its ports before they are taken", async () => {
    services = [service("web"), database];
    await start("haproxy")();
    assert.deepEqual(await start("nginx")(), ["db", "web"]);
    assert.deepEqual([sorted(ports.haproxy), sorted(ports.nginx)], [[5432], [80, 8443]]);
    assert.deepEqual(await start("haproxy")(), ["db", "web"]);
    assert.deepEqual([sorted(ports.haproxy), sorted(ports.nginx)], [[5432, 8443], []]);
  });

  it("in nginx send nobody from port 80 where that is another service's, or something else's", async () => {
    services = [service("plain", { protocol: "tcp", port: 80, names: [] }), service("web")];
    assert.deepEqual(await start("nginx")(), ["plain", "web"]);
    assert.deepEqual([sorted(ports.haproxy), sorted(ports.nginx)], [[80], [8443]]);
    services = [service("web")];
    ports.others.add(80);
    assert.deepEqual(await start("nginx")(), ["web"]);
    assert.deepEqual(sorted(ports.nginx), [8443]);
  });

  it("in nginx are carried beside one whose port something else has, which is tried again by and by", async () => {
    services = [service("web"), service("other", { port: 9443 })];
    ports.others.add(9443);
    const step = start("nginx");
    assert.deepEqual(await step(), ["web"]);
    ports.others.clear();
    assert.deepEqual(await step(), ["web"]);
    nowMs = 61_000;
    assert.deepEqual(await step(), ["other", "web"]);
  });

  it("that nginx can never carry are told once, and not called carried", async () => {
    services = [service("web"), service("near", { policy: "location" })];
    const step = start("nginx");
    for (let times = 0; times < 2; times++) assert.deepEqual(await step(), ["web"]);
    assert.deepEqual(alarms, ["service near is not carried. nginx knows no zones: use the renderer haproxy"]);
    services = [service("near", { policy: "location" })];
    assert.deepEqual(await step(), []);
    assert.deepEqual(sorted(ports.nginx), [], "nginx does not run for nothing");
  });

  it("in nginx are carried while HAProxy does not do as it should", async () => {
    services = [service("web"), database];
    fault = new PlaneFault("gone");
    await assert.rejects(start("nginx")(), /gone/);
    assert.deepEqual(sorted(ports.nginx), [80, 8443]);
  });

  it("that are applications are listed alone where nothing is to carry them", async () => {
    services = [service("web"), database];
    const step = start("stdout");
    for (let times = 0; times < 2; times++) assert.deepEqual(await step(), ["db"]);
    assert.deepEqual(acts, ["web: http port 8443 web.example.org -> 10.0.0.5:80 (round-robin)\n"]);
  });
});
