import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Membership, RouteNews, ServiceReports } from "../../apps/core/edge/contract.ts";
import type { ServicesReport } from "../../apps/core/edge/service-reports.ts";
import type { Gateway } from "../../apps/core/edge/gateway.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { gateway as liveGateway } from "../../apps/twins/gateways.ts";
import { until } from "../bed/until.ts";

/** Gateways and those who wait for them, to hold what they speak over to its contract, real or a twin. */
export type GatewaysBed = {
  readonly membership: Membership;
  /** As a gateway has it, and as those who start and end instances do. */
  readonly news: { readonly gateway: RouteNews; readonly starter: RouteNews };
  readonly services: ServiceReports;
  /** Sets a gateway's key, or that by which it tells of services, whatever stands in it. */
  readonly set: (name: string, value: string, lifeMs: number) => Promise<void>;
  readonly setServices: (name: string, value: string, lifeMs: number) => Promise<void>;
  /** Resolves when the keys of a gateway have ended. */
  readonly outlive: (name: string) => Promise<void>;
  /** Ends the system, which loses all its data; it answers again when the last of these resolves. */
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
  readonly close: () => Promise<void>;
};

const LIFE_MS = 10_000;
const gateway = (name: string, over: Partial<Gateway> = {}): Gateway => ({
  ...liveGateway(name),
  addresses: ["192.0.2.1", "2001:db8::1"],
  routes: 3,
  connections: 2,
  ...over,
});

const report = (gateway: string): ServicesReport => ({
  gateway,
  serviceCount: 1,
  services: [
    {
      ...{ name: "web", port: 443, protocol: "http", names: ["www.example.org"] },
      ...{ up: 0, retired: 1, draining: 0, unknown: 0 },
      members: [{ address: "10.0.0.5:8080", state: "retired", fault: "it refuses", sessions: 3 }],
      ...{ connections: 3, accepted: 4, bytesIn: 5, bytesOut: 6 },
    },
  ],
});

/** What membership and news of gateways keep to. */
export function describeGatewaysContract(open: () => Promise<GatewaysBed>): void {
  describe("gateways", () => {
    let bed: GatewaysBed;
    beforeEach(async () => {
      bed = await open();
    });
    afterEach(() => bed.close());
    const isUnavailable = (fault: unknown) => fault instanceof Unavailable && fault.system === "redis";

    it("are listed in the order of their names, as they told last", async () => {
      assert.deepEqual(await bed.membership.list(), []);
      await bed.membership.join(gateway("gw-2"), LIFE_MS);
      await bed.membership.join(gateway("gw-1", { state: "joining" }), LIFE_MS);
      await bed.membership.join(gateway("gw-1", { state: "draining", routes: 9 }), LIFE_MS);
      assert.deepEqual(await bed.membership.list(), [
        gateway("gw-1", { state: "draining", routes: 9 }),
        gateway("gw-2"),
      ]);
    });

    it("live until their key ends, or they withdraw it, and may come back", async () => {
      await bed.membership.join(gateway("gw-1"), 50);
      await bed.membership.join(gateway("gw-2"), LIFE_MS);
      await bed.outlive("gw-1");
      assert.deepEqual(await bed.membership.list(), [gateway("gw-2")]);
      await bed.membership.withdraw("gw-2");
      await bed.membership.withdraw("gw-2");
      assert.deepEqual(await bed.membership.list(), []);
      await bed.membership.join(gateway("gw-1"), LIFE_MS);
      assert.deepEqual(await bed.membership.list(), [gateway("gw-1")]);
    });

    it("live on for as long as they say so in time, and join again when it was too late", async () => {
      assert.equal(await bed.membership.renew(gateway("gw-1"), LIFE_MS), false);
      assert.deepEqual(await bed.membership.list(), [], "who has not joined does not live");
      await bed.membership.join(gateway("gw-1", { state: "joining" }), LIFE_MS);
      assert.equal(await bed.membership.renew(gateway("gw-1", { routes: 7 }), 50), true);
      assert.deepEqual(await bed.membership.list(), [gateway("gw-1", { routes: 7 })]);
      await bed.outlive("gw-1");
      assert.equal(await bed.membership.renew(gateway("gw-1"), LIFE_MS), false);
      assert.deepEqual(await bed.membership.list(), []);
    });

    it("are listed by name alone when what they told cannot be read", async () => {
      for (const [name, value] of [
        ["gw-1", "{"],
        ["gw-2", JSON.stringify(gateway("gw-1"))],
        ["gw-3", JSON.stringify({ ...gateway("gw-3"), state: "well" })],
      ] as const) {
        await bed.membership.join(gateway(name), LIFE_MS);
        await bed.set(name, value, LIFE_MS);
      }
      assert.deepEqual(
        await bed.membership.list(),
        ["gw-1", "gw-2", "gw-3"].map((name) => ({ name, state: "unreadable" })),
      );
    });

    it("tell of services beside that, until it ends or they take it back, by their names", async () => {
      assert.deepEqual(await bed.services.list(), []);
      await bed.services.tell(report("gw-2"), LIFE_MS);
      await bed.services.tell(report("gw-1"), 50);
      assert.deepEqual(await bed.membership.list(), [], "it makes nobody a member");
      assert.deepEqual(await bed.services.list(), [report("gw-1"), report("gw-2")]);
      await bed.outlive("gw-1");
      await bed.services.tell({ ...report("gw-2"), serviceCount: 7 }, LIFE_MS);
      assert.deepEqual(await bed.services.list(), [{ ...report("gw-2"), serviceCount: 7 }]);
      await bed.setServices("gw-2", "{", LIFE_MS);
      assert.deepEqual(await bed.services.list(), []);
      await bed.services.tell(report("gw-2"), LIFE_MS);
      await bed.services.withdraw("gw-2");
      assert.deepEqual(await bed.services.list(), []);
    });

    it("hear which instances to look at", async () => {
      const heard: string[] = [];
      const stop = bed.news.gateway.onNudge((ids) => void heard.push(...ids));
      await until("it hears", async () => {
        await bed.news.starter.nudge(["a", "b"]);
        return heard.length > 0;
      });
      assert.deepEqual(heard.slice(0, 2), ["a", "b"]);
      stop();
      heard.length = 0;
      await bed.news.starter.nudge(["c"]);
      assert.deepEqual(heard, []);
    });

    it("are heard, each about the instance that somebody waits for", async () => {
      const heard: unknown[] = [];
      const stop = bed.news.starter.onAcknowledged("a", (...told) => void heard.push(told));
      await until("it is heard", async () => {
        await bed.news.gateway.acknowledge("gw-1", [
          { id: "b", target: "10.0.0.1 1" },
          { id: "a", target: "10.0.0.1 2" },
        ]);
        return heard.length > 0;
      });
      assert.deepEqual(heard[0], ["gw-1", "10.0.0.1 2"]);
      const before = heard.length;
      await until("none is heard as well", async () => {
        await bed.news.gateway.acknowledge("gw-2", [{ id: "a", target: null }]);
        return heard.length > before && JSON.stringify(heard.at(-1)) === JSON.stringify(["gw-2", null]);
      });
      stop();
    });

    it("are unknown while the system is away, and heard again once it is back", async () => {
      let heard = 0;
      bed.news.gateway.onNudge(() => heard++);
      await bed.membership.join(gateway("gw-1"), LIFE_MS);
      await bed.kill();
      try {
        await assert.rejects(bed.membership.list(), isUnavailable);
        await assert.rejects(bed.membership.join(gateway("gw-1"), LIFE_MS), isUnavailable);
        await assert.rejects(bed.membership.renew(gateway("gw-1"), LIFE_MS), isUnavailable);
        await assert.rejects(bed.membership.withdraw("gw-1"), isUnavailable);
        await assert.rejects(bed.services.tell(report("gw-1"), LIFE_MS), isUnavailable);
        await assert.rejects(bed.services.withdraw("gw-1"), isUnavailable);
        await assert.rejects(bed.services.list(), isUnavailable);
        await assert.rejects(bed.news.starter.nudge(["a"]), isUnavailable);
        await assert.rejects(bed.news.gateway.acknowledge("gw-1", []), isUnavailable);
      } finally {
        await bed.restart();
      }
      assert.deepEqual(await bed.membership.list(), []);
      heard = 0;
      await until("it hears again", async () => {
        await bed.news.starter.nudge(["a"]);
        return heard > 0;
      });
    });
  });
}
