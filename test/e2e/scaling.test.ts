import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { createDigitalOceanCloud } from "../../apps/adapters/digitalocean/index.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import { createLeadership } from "../../apps/adapters/mysql/leadership.ts";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import { createRedisDiscovery, openRedis } from "../../apps/adapters/redis/discovery.ts";
import { SCALING } from "../../apps/core/fleet/scaling.ts";
import { fleetPlan } from "../../apps/core/settings/fleet.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { startDigitalOcean } from "../../infra/lab/digitalocean/index.ts";
import type { Machines } from "../../infra/lab/digitalocean/machines.ts";
import { emptyDatabase, startServices, type Services } from "../bed/services.ts";
import { until } from "../bed/until.ts";
import { fleetEnv, names, passingFaults, useFleet, type FleetBed, type FleetFault } from "../scenarios/fleet.ts";

const TOKEN = "dop_v1_0123456789abcdef";
const nothing = () => Promise.resolve();

/**
 * What the twins cannot show: the fleet's decisions on a real MySQL, a real Redis and the cloud's real
 * protocol. Only machines are missing: an active droplet sends heartbeats when the test lets it boot.
 */
describe("scaling the fleet on real parts", () => {
  let services: Services;
  let url: string;
  before(async () => {
    services = await startServices();
    url = services.mysqlUrl;
    await migrate(url);
  });
  after(() => services.stop());

  const { liveWholeLife, liveWith, killEverywhere } = useFleet(openFleet);

  it("lives a whole life: one standby, more as it fills, back to one, never above the cap", liveWholeLife);

  it("recovers by itself from all faults together", () =>
    liveWith(Object.values(passingFaults).flatMap((faults) => faults.map((each) => ({ times: 4, ...each })))));

  it("killed before or after any call of an order, makes one droplet of it or none, and the next step one", () =>
    killEverywhere(nothing, "order"));

  async function openFleet(): Promise<FleetBed> {
    await emptyDatabase(url);
    const store = createMysqlStore(url);
    const built = new Set<string>();
    const machines: Machines = {
      build: ({ name }) => {
        built.add(name);
        return Promise.resolve({ publicIp: "203.0.113.1", privateIp: "10.135.0.1" });
      },
      destroy: nothing,
      powerOff: nothing,
      powerOn: nothing,
    };
    const lab = await startDigitalOcean({
      token: TOKEN,
      machines,
      times: { activeMs: 1, tagLagMs: 1, deleteMs: 1 },
      limits: { perMinute: 100_000, perHour: 100_000 },
    });
    const redis = openRedis(services.redisUrl, () => undefined);
    await new Promise((resolve) => redis.once("ready", resolve));
    await redis.flushall();
    const { readHeartbeats } = createRedisDiscovery(redis);
    const leadership = createLeadership(url, SCALING);
    const deployment = await store.hosts.readDeployment();
    const { fleet: rules } = loadSettings(fleetEnv);
    let aheadMs = 0;
    const clock = () => new Date(Date.now() + aheadMs);
    const cloud = createDigitalOceanCloud({
      token: TOKEN,
      url: lab.url,
      timeoutMs: 300,
      delay: nothing,
    });
    return {
      store,
      // The server lets go of the former leader's lock a moment after its connection has ended.
      term: await until("nobody else leads", leadership.term),
      scale: {
        cloud,
        store,
        engines: { listContainers: () => Promise.resolve([]) },
        readHeartbeats,
        clock,
        plan: fleetPlan(rules, deployment),
        rules,
        token: () => randomBytes(16).toString("hex"),
        userData: (name) => `#!/bin/sh\n# ${name}\n`,
      },
      admit: {
        store,
        readHeartbeats,
        cloud,
        engines: { ping: nothing, ensureImage: nothing },
        clock,
        hosts: { deployment, capacityOf: () => 2, basePort: 20_000, enginePort: 2376 },
      },
      cloud: {
        droplets: lab.droplets,
        booted: () => names(lab.droplets().filter(({ name, status }) => status === "active" && built.has(name))),
        everMade: lab.everMade,
        add: lab.add,
        vanish: lab.remove,
        settle: lab.settle,
        addFault: ({ call, ...fault }: FleetFault) =>
          lab.faults.add({
            ...fault,
            ...(fault.kind === "rate-limit" && { retryAfterSeconds: 0 }),
            ...(call === "createDroplet" && { method: "POST", path: "/v2/droplets" }),
            ...(call === "deleteDroplet" && { method: "DELETE" }),
          }),
        clearFaults: lab.faults.clear,
        hits: () => lab.faults.list().map(({ hits }) => hits),
      },
      beat: (name) =>
        redis.set(
          `host:${name}`,
          JSON.stringify({
            name,
            publicIp: "192.0.2.1",
            privateIp: "10.0.0.1",
            dockerPort: 2376,
            containers: 0,
            memAvailableMb: 100,
            sentAt: new Date().toISOString(),
          }),
          "EX",
          3600,
        ),
      still: (name) => redis.del(`host:${name}`),
      clock,
      pass: (seconds) => (aheadMs += seconds * 1000),
      close: async () => {
        await leadership.resign();
        redis.disconnect();
        await store.disconnect();
        await lab.stop();
      },
    };
  }
});
