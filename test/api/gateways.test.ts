import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createEdgeRoutes } from "../../apps/core/edge/edge-routes.ts";
import { edge } from "../../apps/core/settings/edge.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";
import { createTwinGateways, gateway } from "../../apps/twins/gateways.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import type { GatewayPlace, GatewaySight } from "../../apps/cli/remote/remote.ts";
import { createCliBed } from "../cli/bed.ts";
import { assertProblem } from "./assert-problem.ts";

const LONG_MS = 1_000_000;
const ID = "instance00000001";

describe("gateways, by the API and the command line", () => {
  const clock = () => new Date(0);
  const faults = createCallFaults();
  let twin: ReturnType<typeof createTwinGateways>;
  let api: TwinApi;
  let bare: TwinApi;
  /** Time that gateways get to answer, in milliseconds: none where a test has one that does not. */
  let patienceMs: number;
  before(async () => {
    const routes = createEdgeRoutes(
      {
        gateways: { list: () => twin.membership.list() },
        news: {
          nudge: (ids) => twin.news.nudge(ids),
          onAcknowledged: (id, hear) => twin.news.onAcknowledged(id, hear),
        },
        delay: (ms) => delay(ms, undefined, { ref: false }),
        after: () => AbortSignal.timeout(patienceMs),
        onFault: () => undefined,
      },
      { acknowledgeMs: 1000 },
    );
    const serviceReports = { list: () => twin.services.list() };
    api = await createTwinApi({ env: { EDGE_DOMAIN: "redis.example.org" }, edge: routes, serviceReports });
    bare = await createTwinApi();
    await api.service.addInstance(ID, "host-a", "running");
  });
  after(async () => {
    await api.close();
    await bare.close();
  });
  beforeEach(() => {
    twin = createTwinGateways({ clock, faults, turn: () => Promise.resolve() });
    patienceMs = LONG_MS;
  });

  const ask = (path: string, of: TwinApi = api) =>
    of.call(`/ops/api${path}`, { headers: { authorization: `Bearer ${of.opsToken}` } });
  const run = (...args: string[]) => createCliBed(api).run(args, { env: { GETAREDIS_OPS_TOKEN: api.opsToken } });
  /** A gateway that lives, and says that it leads to a target when it is asked; undefined: it says nothing. */
  const join = async (name: string, target: string | null | undefined) => {
    await twin.membership.join({ ...gateway(name), routes: 3, connections: 7 }, LONG_MS);
    twin.news.onNudge((ids) => {
      if (target !== undefined)
        void twin.news.acknowledge(
          name,
          ids.map((id) => ({ id, target })),
        );
    });
  };

  it("are listed by their names, also those that cannot be read; without an edge there is none", async () => {
    await join("gw-2", null);
    await join("gw-1", null);
    twin.set("gw-3", "{", LONG_MS);
    const known = { state: "live", addresses: ["192.0.2.1"], routes: 3, unroutable: 0, connections: 7 };
    const unknown = { state: "unreadable", addresses: [], routes: null, unroutable: null, connections: null };
    assert.deepEqual(await (await ask("/gateways")).json(), [
      { name: "gw-1", ...known, mostConnections: 1_000, version: "0.0.0" },
      { name: "gw-2", ...known, mostConnections: 1_000, version: "0.0.0" },
      { name: "gw-3", ...unknown, mostConnections: null, version: null },
    ]);
    const { stdout } = await run("gateway", "list");
    assert.match(
      stdout,
      /^NAME +STATE +ADDRESSES +ROUTES +CONNECTIONS +VERSION\ngw-1 +live +192\.0\.2\.1 +3 +7 +0\.0\.0\n/,
    );
    assert.match(stdout, /^gw-3 +unreadable +- +- +- +-$/m);
    assert.deepEqual(await (await ask("/gateways", bare)).json(), []);
  });

  it("are told of as metrics, by what they say of themselves, and not while Redis is away", async () => {
    const series = async (of: TwinApi = api) => {
      const text = await (await of.call("/metrics")).text();
      return text.split("\n").filter((line) => /^getaredis_(gateway|edge|service_)/.test(line));
    };
    const one = gateway("gw-1");
    const figures = { ...one.figures, handshakes: 5, failedHandshakes: 1, bytesIn: 10, bytesOut: 20, lagMs: 1_500 };
    await twin.membership.join({ ...one, unroutable: 2, figures }, LONG_MS);
    const web = { name: "web", port: 443, protocol: "http" as const, names: [], members: [] };
    const counts = { up: 2, retired: 1, draining: 0, unknown: 0 };
    const traffic = { connections: 7, accepted: 8, bytesIn: 30, bytesOut: 40 };
    const services = [{ ...web, ...counts, ...traffic }];
    await twin.services.tell({ gateway: "gw-1", serviceCount: 1, services }, LONG_MS);
    twin.set("gw-2", "{", LONG_MS);
    const told = await series();
    for (const line of [
      "getaredis_edge_enabled 1",
      'getaredis_gateways{state="live"} 1',
      'getaredis_gateways{state="draining"} 0',
      'getaredis_gateways{state="unreadable"} 1',
      'getaredis_gateway_route_lag_seconds{gateway="gw-1"} 1.5',
      'getaredis_gateway_connections_limit{gateway="gw-1"} 1000',
      'getaredis_gateway_handshakes_total{gateway="gw-1",result="done"} 5',
      'getaredis_gateway_handshakes_total{gateway="gw-1",result="failed"} 1',
      'getaredis_gateway_bytes_total{gateway="gw-1",direction="in"} 10',
      'getaredis_gateway_bytes_total{gateway="gw-1",direction="out"} 20',
      'getaredis_gateway_unroutable_instances{gateway="gw-1"} 2',
      'getaredis_service_members{gateway="gw-1",service="web",state="retired"} 1',
      'getaredis_service_connections{gateway="gw-1",service="web"} 7',
      'getaredis_service_accepted_total{gateway="gw-1",service="web"} 8',
      'getaredis_service_bytes_total{gateway="gw-1",service="web",direction="in"} 30',
      'getaredis_service_bytes_total{gateway="gw-1",service="web",direction="out"} 40',
    ])
      assert.ok(told.includes(line), `${line} is told`);
    assert.deepEqual(await series(), told, "counters tell what is, and do not grow by being read");
    for (const call of ["gateways.list", "services.list"])
      faults.add({ call, fault: () => new Unavailable("redis", new Error("gone")) });
    try {
      assert.deepEqual(await series(), ["getaredis_edge_enabled 1"]);
    } finally {
      faults.clear();
    }
    assert.ok((await series(bare)).includes("getaredis_edge_enabled 0"));
  });

  it("share an address by the table of maglev0, which the command line builds from those that are live", async () => {
    for (const name of ["4", "0", "2", "1", "3"]) await join(name, null);
    await twin.membership.join({ ...gateway("5"), state: "draining" }, LONG_MS);
    const { stdout } = await run("gateway", "table", "--size", "13");
    assert.equal(
      stdout,
      "GATEWAY  BUCKETS  SHARE\n" +
        "0        3 of 13  23.1 %\n" +
        "1        3 of 13  23.1 %\n" +
        "2        3 of 13  23.1 %\n" +
        "3        2 of 13  15.4 %\n" +
        "4        2 of 13  15.4 %\n",
    );
    const { size, gateways } = JSON.parse((await run("gateway", "table", "--json")).stdout) as {
      size: number;
      gateways: { buckets: number[] }[];
    };
    assert.equal(String(size), edge.sharedBuckets.default);
    const all = gateways.flatMap(({ buckets }) => buckets).sort((one, other) => one - other);
    assert.deepEqual(
      all,
      Array.from({ length: size }, (_, bucket) => bucket),
    );
    assert.equal((await run("gateway", "table", "--size", "15")).code, 2);
  });

  it("say at once where each of them leads who asks for an instance", async () => {
    await join("gw-1", "10.0.0.1 20000");
    await join("gw-2", "10.0.0.1 20000");
    const traced = (await (await ask(`/instances/${ID}/trace`)).json()) as object;
    const target = "10.0.0.1 20000";
    assert.deepEqual(traced, {
      instance: ID,
      state: "running",
      hostName: "host-a",
      gateways: ["gw-1", "gw-2"].map((name) => ({ name, hasAnswered: true, target })),
    });
    const shown = await run("gateway", "trace", ID);
    assert.deepEqual([shown.code, shown.stderr], [0, ""]);
    assert.equal(shown.stdout, "GATEWAY  LEADS TO\ngw-1     10.0.0.1 20000\ngw-2     10.0.0.1 20000\n");
    assert.deepEqual(JSON.parse((await run("gateway", "trace", ID, "--json")).stdout), traced);
  });

  it("are told apart where they do not agree, or one does not answer in time, by an exit code as well", async () => {
    await join("gw-1", "10.0.0.1 20000");
    await join("gw-2", null);
    const apart = await run("gateway", "trace", ID);
    assert.equal(apart.code, 6);
    assert.match(apart.stdout, /^gw-2 +nowhere$/m);
    assert.match(apart.stderr, /The gateways do not agree/);
    await join("gw-3", undefined);
    patienceMs = 10;
    const silent = await run("gateway", "trace", ID);
    assert.equal(silent.code, 6);
    assert.match(silent.stdout, /^gw-1 +10\.0\.0\.1 20000\ngw-2 +nowhere\ngw-3 +no answer$/m);
  });

  describe("when they are checked from where the command line runs,", () => {
    const inDays = (days: number) => new Date(api.service.time.clock().getTime() + days * 86_400_000);
    const seen = (more: Partial<Extract<GatewaySight, { kind: "there" }>> = {}): GatewaySight => ({
      kind: "there",
      distrust: undefined,
      expiresAt: inDays(60),
      answer: "-NOAUTH Authentication required.",
      ...more,
    });
    /** Checks where names lead to these addresses, and every gateway is seen so. */
    const check = (lead: readonly string[], sight: GatewaySight = seen(), ...args: string[]) =>
      createCliBed(api).run(["gateway", "check", ...args], {
        env: { GETAREDIS_OPS_TOKEN: api.opsToken },
        remote: { resolve: () => Promise.resolve(lead), seeGateway: () => Promise.resolve(sight) },
      });

    it("show what they need, where names lead, and what each of them answers", async () => {
      await join("gw-1", null);
      const { code, stdout, stderr } = await check(["192.0.2.1"]);
      assert.deepEqual([code, stderr], [0, ""], stdout);
      for (const line of [
        /^mysql +ok +ok$/m,
        /^redis +ok +ok$/m,
        /^names under redis\.example\.org +ok +lead to 192\.0\.2\.1$/m,
        /^gw-1 says +ok +live, carries 3 routes$/m,
        /^gw-1 at 192\.0\.2\.1:6379 +ok +answers; certificate expires in 60 days$/m,
      ])
        assert.match(stdout, line);
      assert.deepEqual(await (await ask("/edge")).json(), { domain: "redis.example.org", port: 6379 });
    });

    it("are asked for by a name that no instance has, for as long as it is told", async () => {
      await join("gw-1", null);
      const asked: GatewayPlace[] = [];
      await createCliBed(api).run(["gateway", "check", "gw-1", "--wait", "2"], {
        env: { GETAREDIS_OPS_TOKEN: api.opsToken },
        remote: {
          seeGateway: (place) => {
            asked.push(place);
            return Promise.resolve(seen());
          },
        },
      });
      assert.deepEqual(asked, [{ address: "192.0.2.1", port: 6379, name: "check.redis.example.org", timeoutMs: 2000 }]);
    });

    for (const [what, lead, sight, expected] of [
      ["names that lead nowhere", [], seen, /^names under \S+ +WRONG +lead nowhere$/m],
      [
        "names that lead elsewhere",
        ["192.0.2.9"],
        seen,
        /WRONG +lead to 192\.0\.2\.9; not to 192\.0\.2\.1; no gateway says that 192\.0\.2\.9 is its own$/m,
      ],
      [
        "a closed port",
        ["192.0.2.1"],
        () => ({ kind: "away", reason: "nothing listens there" }) as const,
        /:6379 +WRONG +nothing listens there$/m,
      ],
      [
        "an unknown authority",
        ["192.0.2.1"],
        () => seen({ distrust: "SELF_SIGNED_CERT_IN_CHAIN" }),
        /WRONG +its certificate is not trusted here: SELF_SIGNED_CERT_IN_CHAIN$/m,
      ],
      [
        "a certificate that nobody renews",
        ["192.0.2.1"],
        () => seen({ expiresAt: inDays(3) }),
        /WRONG +certificate expires in 3 days$/m,
      ],
      [
        "somebody else's answer",
        ["192.0.2.1"],
        () => seen({ answer: "HTTP/1.1 400" }),
        /WRONG +answers PING with "HTTP\/1\.1 400"$/m,
      ],
    ] as const)
      it(`show ${what}, and end the command with 7`, async () => {
        await join("gw-1", null);
        const { code, stdout, stderr } = await check(lead, sight());
        assert.equal(code, 7);
        assert.match(stdout, expected);
        assert.match(stderr, /Not all is as it should be\. 1 of \d checks failed\.$/m);
      });

    it("are missed where none lives, or one tells no address, or there is none of that name, or no edge", async () => {
      assert.match((await check([])).stdout, /^gateways +WRONG +none lives$/m);
      await twin.membership.join({ ...gateway("gw-1"), addresses: [] }, LONG_MS);
      assert.match((await check([])).stdout, /^gw-1 is reached +WRONG +it tells no address: set GATEWAY_ADDRESSES$/m);
      assert.equal((await check([], seen(), "gw-2")).code, 4);
      await assertProblem(await ask("/edge", bare), 409, "no-edge");
    });
  });

  it("are not asked about an instance that there is none of, without an edge, or while Redis is away", async () => {
    await assertProblem(await ask("/instances/0000000000000000/trace"), 404, "not-found");
    await assertProblem(await ask(`/instances/${ID}/trace`, bare), 409, "no-edge");
    faults.add({ call: "gateways.list", fault: () => new Unavailable("redis", new Error("gone")) });
    await assertProblem(await ask("/gateways"), 503, "unavailable");
  });
});
