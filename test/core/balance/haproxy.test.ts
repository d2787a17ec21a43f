import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { addressAt } from "../../../apps/core/balance/address.ts";
import { carryServices } from "../../../apps/core/balance/carry-services.ts";
import type { ServicePlane } from "../../../apps/core/balance/contract.ts";
import { backendsOf, cannotCarry, renderHaproxy, serverName } from "../../../apps/core/balance/haproxy.ts";
import { renderNginx } from "../../../apps/core/balance/nginx.ts";
import {
  memberStates,
  planServers,
  readServers,
  trafficOf,
  type SeenServer,
  type Traffic,
} from "../../../apps/core/balance/servers.ts";
import { inOrder, plainMember, type Balanced, type Member, type Zone } from "../../../apps/core/balance/service.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { createTwinStore } from "../../../apps/twins/store/index.ts";

const zones: readonly Zone[] = [
  { name: "fra", networks: ["10.0.0.0/8", "10.5.5.0/24"] },
  { name: "ams", networks: ["10.5.0.0/16"] },
];
const options = { listenOn: ["*"], certificates: "/certificates", zones, redirectsPlainHttp: true };
const DRAIN_MS = 30_000;

const service = (over: Partial<Balanced> = {}): Balanced => ({
  name: "pool",
  port: 7000,
  protocol: "tcp",
  names: [],
  policy: "round-robin",
  probe: { kind: "tcp" },
  members: [],
  ...over,
});
const member = (last: number, over: Partial<Member> = {}): Member => ({
  ...plainMember(addressAt(`10.0.0.${last}`, 6000)),
  ...over,
});
const anyMember: fc.Arbitrary<Member> = fc.record({
  address: fc.integer({ min: 1, max: 6 }).map((last) => addressAt(last === 6 ? "2001:db8::6" : `10.0.0.${last}`, 6000)),
  weight: fc.integer({ min: 1, max: 256 }),
  zone: fc.constantFrom(null, "fra", "ams"),
  isDraining: fc.boolean(),
});
const anyServices: fc.Arbitrary<readonly Balanced[]> = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom("a", "b", "c"),
      policy: fc.constantFrom("round-robin", "location", "consistent-hash", "least-connections"),
      members: fc.uniqueArray(anyMember, { selector: ({ address }) => address.text }),
    }),
    { selector: ({ name }) => name },
  )
  .map((services) => inOrder(services.map((each, index) => service({ ...each, port: 7000 + index }))));

const noTraffic: Traffic = { connections: 0, accepted: 0, bytesIn: 0, bytesOut: 0 };

/** A HAProxy that does as it is told, and knows no more. */
const createModel = (services: readonly Balanced[]) => {
  const servers = new Map<string, Map<string, SeenServer>>();
  const backends = new Map<string, Traffic>();
  for (const { name, members } of services.flatMap((each) => backendsOf(each, zones))) {
    backends.set(name, noTraffic);
    servers.set(
      name,
      new Map(
        members.map(({ address, weight, isDraining, isSpare }) => [
          serverName(address),
          { sessions: 0, weight: isDraining ? 0 : weight, state: "up", isSpare, fault: null },
        ]),
      ),
    );
  }
  const change = (path: string, to: Partial<SeenServer> | undefined) => {
    const [backend = "", name = ""] = path.split("/");
    const own = servers.get(backend) ?? assert.fail(`there is no ${backend}`);
    const before = own.get(name);
    if (to === undefined) assert.ok(own.delete(name), `there is no ${path}`);
    else own.set(name, { sessions: 0, weight: 1, state: "up", isSpare: false, fault: null, ...before, ...to });
  };
  const tell = (request: string) => {
    for (const command of request.split("; ")) {
      const [verb, noun, path = "", ...rest] = command.split(" ");
      if (`${verb} ${noun}` === "add server") {
        assert.equal(
          servers.get(path.split("/")[0] ?? "")?.has(path.split("/")[1] ?? ""),
          false,
          "it is there already",
        );
        change(path, { weight: Number(rest.at(-1)), isSpare: rest.includes("backup") });
      } else if (`${verb} ${noun}` === "del server") change(path, undefined);
      else if (rest[0] === "weight") change(path, { weight: Number(rest[1]) });
      else if (rest[0] === "state") change(path, { state: rest[1] === "maint" ? "maintenance" : "up" });
      else if (command.startsWith("shutdown sessions")) change(rest[0] ?? "", { sessions: 0 });
    }
  };
  return { backends, servers, change, tell };
};

describe("services written for HAProxy", () => {
  it("hold members by what a service is: policy, probe, weight, and none of the new connections for one that drains", () => {
    const { text } = renderHaproxy(
      [
        service({
          policy: "consistent-hash",
          probe: { kind: "redis" },
          members: [member(1, { weight: 7 }), member(2, { isDraining: true })],
        }),
      ],
      options,
    );
    assert.match(text, /frontend port:7000 from services\n {2}bind \*:7000\n {2}default_backend all:pool\n/);
    assert.match(text, /balance source\n {2}hash-type consistent\n {2}option tcp-check\n/);
    assert.match(text, /server 10\.0\.0\.1:6000 10\.0\.0\.1:6000 check .* weight 7\n/);
    assert.match(text, /server 10\.0\.0\.2:6000 10\.0\.0\.2:6000 check .* weight 0\n/);
  });

  it("go to a zone of who connects while a member there is up, and of two networks the narrower decides", () => {
    const { text } = renderHaproxy([service({ policy: "location", members: [member(1, { zone: "fra" })] })], options);
    assert.match(
      text,
      new RegExp(
        [
          "set-var\\(sess.zone\\) str\\(fra\\) if { src 10.0.0.0/8 }",
          "set-var\\(sess.zone\\) str\\(ams\\) if { src 10.5.0.0/16 }",
          "set-var\\(sess.zone\\) str\\(fra\\) if { src 10.5.5.0/24 }",
          "use_backend zone:fra:pool if { var\\(sess.zone\\) -m str fra }",
          "use_backend zone:ams:pool if { var\\(sess.zone\\) -m str ams }",
          "default_backend all:pool",
        ].join("\n.*"),
      ),
    );
  });

  it("listen to both kinds of addresses where a gateway listens to all", () => {
    const { text } = renderHaproxy([service()], { ...options, listenOn: ["[::]"] });
    assert.match(text, /bind \[::\]:7000 v4v6\n/);
    const web = service({ port: 443, protocol: "http", names: ["www.example.org"] });
    const nginx = renderNginx([web], { ...options, listenOn: ["[::]"], certificate: "/edge.pem", folder: "/nginx" });
    assert.deepEqual(
      [...nginx.matchAll(/listen (.*);/g)].map(([, words]) => words),
      ["[::]:80 default_server ipv6only=off", "[::]:443 ssl default_server ipv6only=off", "[::]:80", "[::]:443 ssl"],
    );
  });

  it("in TLS are left out where there is no certificate, and it is told", () => {
    const web = service({ name: "web", port: 443, protocol: "http", names: ["www.example.org"] });
    const without = { ...options, certificates: null };
    assert.match(cannotCarry(web, without) ?? "", /certificate/);
    assert.equal(cannotCarry({ ...web, port: 80 }, without), undefined);
    assert.doesNotMatch(renderHaproxy([web], without).text, /443|www/);
    assert.match(renderHaproxy([web], options).text, /bind \*:443 ssl crt \/certificates/);
  });

  it("in TLS are found from plain HTTP, but for domains that have a plain service of their own", () => {
    const web = service({ name: "web", port: 8443, protocol: "http", names: ["a.example.org", "b.example.org"] });
    const plain = service({ name: "plain", port: 80, protocol: "http", names: ["b.example.org"] });
    const redirect = /redirect code 301 location https:\/\/%\[var\(txn\.name\)\]:8443%\[pathq\] if .* -m str (.*) }/;
    assert.match(redirect.exec(renderHaproxy([web], options).text)?.[1] ?? "", /^a\.example\.org b\.example\.org$/);
    assert.equal(redirect.exec(renderHaproxy([web, plain], options).text)?.[1], "a.example.org");
    assert.doesNotMatch(renderHaproxy([web], { ...options, redirectsPlainHttp: false }).text, /redirect|port:80/);
  });

  it("differ in structure only when something but a member has changed", () => {
    fc.assert(
      fc.property(anyServices, anyServices, (one, other) => {
        const memberless = (services: readonly Balanced[]) =>
          JSON.stringify(services.map((each) => ({ ...each, members: [] })));
        assert.equal(
          renderHaproxy(one, options).structure === renderHaproxy(other, options).structure,
          memberless(one) === memberless(other),
        );
      }),
    );
  });

  it("are refused when a word means something in a configuration, wherever it came from", () => {
    for (const name of ["pool\n", "a b", "a#b", 'a"b', "a'b", "a$b", "a{b", "a\\b", ""])
      assert.throws(() => renderHaproxy([service({ name })], options), /cannot stand in a configuration/);
    const named = service({ protocol: "http", port: 80, names: ["a.example.org\n  server evil"] });
    assert.throws(() => renderHaproxy([named], options), /cannot stand in a configuration/);
  });
});

describe("the plan for a running HAProxy", () => {
  it("comes to the members that should be there, whatever was there, and then has nothing more to do", () => {
    fc.assert(
      fc.property(anyServices, anyServices, (before, wanted) => {
        // The backends of both: a service that is not there yet needs another configuration.
        const known = wanted.map((each) => before.find(({ name }) => name === each.name) ?? { ...each, members: [] });
        const model = createModel(
          known.map((each, index) => ({ ...each, policy: wanted[index]?.policy ?? each.policy })),
        );
        let leaving: ReadonlyMap<string, number> = new Map();
        for (let now = 0; now < 4; now++) {
          const plan = planServers(wanted, zones, model, { leaving, drainMs: DRAIN_MS, now });
          assert.deepEqual(plan.missing, []);
          plan.commands.forEach(model.tell);
          leaving = plan.leaving;
        }
        assert.deepEqual(model.servers, createModel(wanted).servers);
        assert.deepEqual(planServers(wanted, zones, model, { leaving, drainMs: DRAIN_MS, now: 4 }).commands, []);
      }),
    );
  });

  it("ends no connection to a member that goes before its last one has ended, or its time is over", () => {
    const [before, wanted] = [[service({ members: [member(1), member(2)] })], [service({ members: [member(2)] })]];
    const model = createModel(before);
    const path = "all:pool/10.0.0.1:6000";
    model.change(path, { sessions: 2 });
    let leaving: ReadonlyMap<string, number> = new Map();
    const step = (now: number) => {
      const plan = planServers(wanted, zones, model, { leaving, drainMs: DRAIN_MS, now });
      leaving = plan.leaving;
      plan.commands.forEach(model.tell);
      return plan.commands;
    };
    assert.deepEqual(step(1000), [`set server ${path} weight 0`]);
    assert.deepEqual(step(2000), []);
    assert.deepEqual(step(1000 + DRAIN_MS - 1), []);
    assert.deepEqual(step(1000 + DRAIN_MS), [
      `set server ${path} state maint; shutdown sessions server ${path}; del server ${path}`,
    ]);
    assert.equal(leaving.size, 1);
    assert.deepEqual(step(1000 + DRAIN_MS + 1), []);
    assert.equal(leaving.size, 0);
  });

  it("takes a member back that was about to go", () => {
    const model = createModel([service({ members: [member(1)] })]);
    model.change("all:pool/10.0.0.1:6000", { state: "maintenance", weight: 0 });
    const { commands } = planServers([service({ members: [member(1)] })], zones, model, {
      leaving: new Map(),
      drainMs: DRAIN_MS,
      now: 0,
    });
    assert.deepEqual(commands, [
      "set server all:pool/10.0.0.1:6000 state ready; enable health all:pool/10.0.0.1:6000",
      "set server all:pool/10.0.0.1:6000 weight 1",
    ]);
  });

  it("names the backends that are not there", () => {
    const plan = planServers([service({ policy: "location" })], zones, createModel([service()]), {
      leaving: new Map(),
      drainMs: DRAIN_MS,
      now: 0,
    });
    assert.deepEqual(plan.missing, ["zone:fra:pool", "zone:ams:pool"]);
  });
});

describe("what HAProxy says of its servers", () => {
  const csv = [
    "# pxname,svname,scur,stot,bin,bout,status,bck,check_status,check_code,uweight,",
    "all:pool,10.0.0.1:6000,3,9,1,2,UP,0,L4OK,,1,",
    "all:pool,10.0.0.2:6000,0,0,0,0,DOWN,0,* L4CON,,1,",
    "all:pool,10.0.0.3:6000,1,1,1,2,UP,0,L4OK,,0,",
    "all:pool,10.0.0.4:6000,0,0,0,0,MAINT,0,,,1,",
    "all:pool,10.0.0.6:6000,0,0,0,0,DOWN,0,L7STS,500,1,",
    "all:pool,BACKEND,4,10,20,40,UP,,,,,",
    "zone:fra:pool,10.0.0.1:6000,2,9,1,2,UP,0,L4OK,,1,",
    "zone:fra:pool,BACKEND,2,5,10,30,UP,,,,,",
    "all:web,2001:db8::5:80,0,0,0,0,UP 1/2,1,L4OK,,5,",
    "all:web,BACKEND,0,0,0,0,UP,,,,,",
    "all:empty,BACKEND,0,0,0,0,UP,,,,,",
    "",
    "",
  ].join("\n");

  it("is read by the names of its columns", () => {
    const { backends, servers } = readServers(csv);
    assert.deepEqual([...backends.keys()], ["all:pool", "zone:fra:pool", "all:web", "all:empty"]);
    assert.deepEqual(backends.get("all:pool"), { connections: 4, accepted: 10, bytesIn: 20, bytesOut: 40 });
    assert.equal(servers.has("all:empty"), false);
    const seen = (backend: string, name: string) => servers.get(backend)?.get(name);
    const one = { sessions: 0, weight: 1, isSpare: false, fault: null };
    assert.deepEqual(seen("all:pool", "10.0.0.1:6000"), { ...one, sessions: 3, state: "up" });
    const refuses = "it refuses connections, or no way leads there";
    assert.deepEqual(seen("all:pool", "10.0.0.2:6000"), { ...one, state: "retired", fault: refuses });
    assert.equal(seen("all:pool", "10.0.0.6:6000")?.fault, "it answers the probe with status 500");
    assert.deepEqual(seen("all:pool", "10.0.0.4:6000"), { ...one, state: "maintenance" });
    assert.deepEqual(seen("all:web", "2001:db8::5:80"), { ...one, weight: 5, state: "up", isSpare: true });
    assert.throws(() => readServers("# pxname,svname\n"), /other columns/);
  });

  it("tells how the members of a service are, and what goes through it, in all its zones together", () => {
    const members = [1, 2, 3, 4, 5].map((last) => member(last));
    const { servers, backends } = readServers(csv);
    const plain = service({ members });
    const states = memberStates(plain, zones, servers);
    assert.deepEqual(
      Array.from(states.values(), ({ state }) => state),
      ["up", "retired", "draining", "retired", "unknown"],
    );
    assert.deepEqual(trafficOf(plain, zones, backends), backends.get("all:pool"));
    const located = { ...plain, policy: "location" as const };
    assert.equal(memberStates(located, zones, servers).get("10.0.0.1:6000")?.sessions, 5);
    const all = { connections: 6, accepted: 15, bytesIn: 30, bytesOut: 70 };
    assert.deepEqual(trafficOf(located, zones, backends), all);
  });
});

describe("services on a HAProxy in memory", () => {
  const createPlane = () => {
    let model = createModel([]);
    let isDown = false;
    /** Ports that something else has. */
    const taken = new Set<number>();
    const loads: string[] = [];
    const plane: ServicePlane = {
      name: "HAProxy",
      test: () => Promise.resolve(undefined),
      load: (text) => {
        loads.push(text);
        const ports = Array.from(text.matchAll(/^frontend port:(\d+)/gm), ([, port]) => Number(port));
        const refused = ports.filter((port) => taken.has(port));
        if (refused.length > 0)
          return Promise.resolve(
            refused
              .map(
                (port) =>
                  `Binding [haproxy.cfg:9] for frontend port:${port}: cannot bind socket (Address already in use)`,
              )
              .join("; "),
          );
        model = createModel(wanted.filter(({ port }) => ports.includes(port)));
        return Promise.resolve(undefined);
      },
      write: () => Promise.resolve(),
      readServers: () =>
        Promise.resolve({
          backends: model.backends,
          servers: new Map(
            [...model.servers].map(([name, servers]) => [
              name,
              new Map([...servers].map(([each, server]) => [each, { ...server, state: isDown ? "retired" : "up" }])),
            ]),
          ),
        }),
      tell: (requests) => {
        requests.forEach(model.tell);
        return Promise.resolve([]);
      },
    };
    return { plane, taken, loads, fail: (down: boolean) => (isDown = down) };
  };
  let wanted: readonly Balanced[] = [];

  it("are carried beside one whose port something else has, which is tried again by and by", async () => {
    const { plane, taken, loads } = createPlane();
    const store = createTwinStore();
    let now = 0;
    const ports = { plane, store, clock: () => new Date(0), nowMs: () => now };
    const carry = carryServices(ports, { gateway: "gw-1", drainMs: DRAIN_MS });
    const web = { protocol: "http" as const, port: 8443, names: ["www.example.org"] };
    wanted = inOrder([
      service({ name: "a", port: 7000 }),
      service({ name: "ssh", port: 22 }),
      service({ name: "web", ...web }),
    ]);
    for (const port of [22, 80]) taken.add(port);
    const step = async () => [...(await carry(wanted, { ...options, redirectsPlainHttp: true })).keys()];
    assert.deepEqual(await step(), ["a", "web"]);
    assert.doesNotMatch(loads.at(-1) ?? "", /port:(22|80)\b/);
    const tries = loads.length;
    await step();
    assert.equal(loads.length, tries, "it is not tried each time");
    const alarms = await store.events.listAlarms(new Date(0), 10);
    assert.match(alarms[0]?.reason ?? "", /frontend port:22: cannot bind/);
    taken.clear();
    now = 61_000;
    assert.deepEqual(await step(), ["a", "ssh", "web"]);
    assert.match(loads.at(-1) ?? "", /port:80\b/);
  });

  it("whose members all go at once are told in one event, a few of them one by one, and each once", async () => {
    for (const [count, events] of [
      [3, 6],
      [11, 2],
    ] as const) {
      wanted = [service({ members: Array.from({ length: count }, (_, index) => member(index + 1)) })];
      const store = createTwinStore();
      const { plane, fail } = createPlane();
      const ports = { plane, store, clock: () => new Date(0), nowMs: () => 0 };
      const carry = carryServices(ports, { gateway: "gw-1", drainMs: DRAIN_MS });
      for (const down of [false, true, true, false, false]) {
        fail(down);
        await carry(wanted, options);
      }
      const told = (await store.events.list({}, 100)).map(({ reason }) => reason);
      assert.equal(told.length, events, told.join("\n"));
      if (count > 10)
        assert.deepEqual(told, [
          "11 members, 10.0.0.10:6000 among them, of service pool are again reachable from gateway gw-1",
          "11 members, 10.0.0.10:6000 among them, of service pool are not reachable from gateway gw-1",
        ]);
    }
  });

  it("are carried on where nobody can keep what has become of them", async () => {
    wanted = [service({ members: [member(1)] })];
    const { plane, fail } = createPlane();
    const add = () => Promise.reject(new Unavailable("mysql", new Error("gone")));
    const ports = { plane, store: { events: { add } }, clock: () => new Date(0), nowMs: () => 0 };
    const carry = carryServices(ports, { gateway: "gw-1", drainMs: DRAIN_MS });
    for (const down of [true, false]) {
      fail(down);
      assert.deepEqual(
        [...(await carry(wanted, options)).values()].map(({ members }) =>
          [...members.values()].map(({ state }) => state),
        ),
        [[down ? "retired" : "up"]],
      );
    }
  });
});
