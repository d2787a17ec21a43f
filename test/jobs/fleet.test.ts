import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { FLEET_NEEDS, fleetPorts } from "../../apps/jobs/fleet.ts";
import { createTwinCloud } from "../../apps/twins/cloud.ts";
import { createTwinGateways } from "../../apps/twins/gateways.ts";
import { createTwinService } from "../bed/twin-service.ts";

const PEM = `-----BEGIN CERTIFICATE-----\n${"QUJD".repeat(16)}\n-----END CERTIFICATE-----\n`;

/** What the jobs of a fleet work with, by settings over the least that they need. */
function portsOf(over: Readonly<Record<string, string>>) {
  const service = createTwinService();
  const settings = loadSettings(
    {
      MYSQL_URL: "mysql://root@db/getaredis",
      REDIS_URL: "redis://10.114.0.2:6380",
      SERVER_SECRET: "0123456789abcdef",
      INSTANCE_IMAGE: "redis",
      DIGITALOCEAN_TOKEN: "0123456789abcdef",
      PKI_DIR: "/pki",
      HOST_FILES_DIR: "/host",
      PRIVATE_NETWORK: "10.114.0.0/20",
      ENROLMENT_HOST: "10.114.0.2",
      ...over,
    },
    ["MYSQL_URL", "REDIS_URL", "SERVER_SECRET", "INSTANCE_IMAGE"],
    FLEET_NEEDS,
  );
  if (!settings.cloud) throw new Error("no fleet");
  const ports = fleetPorts(settings, "abc123", {
    ...service,
    engines: { ...service.engines, ensureImage: () => Promise.resolve() },
    cloud: createTwinCloud(service),
    readGateways: createTwinGateways(service).membership.list,
    keepHeartbeatUsers: () => Promise.resolve(),
    hostFiles: { scripts: new Map(), units: new Map() },
    caPem: () => PEM,
    term: () => Promise.resolve(1),
  });
  const script = ports.scale.userData("gar-1", "token");
  return { ...ports, hostSettings: /GATEWAY_NETWORK=.*\nINSTANCES_OPEN_TO=.*/.exec(script)?.[0] };
}

describe("the jobs of a fleet", () => {
  it("keep no address records, and let everybody to instances, without an edge", () => {
    const { edgeDns, prepare, hostSettings } = portsOf({});
    assert.deepEqual([edgeDns, prepare.instanceSources, hostSettings], [undefined, undefined, undefined]);
  });

  it("keep the address records of an edge by its settings, and let gateways alone to instances", () => {
    const { edgeDns, prepare, hostSettings } = portsOf({
      EDGE_DOMAIN: "redis.example.org",
      EDGE_DNS_SETTLE_SECONDS: "7",
    });
    assert.deepEqual(edgeDns?.rules, {
      edgeDomain: "redis.example.org",
      deployment: "abc123",
      ttlSeconds: 30,
      settleMs: 7_000,
    });
    assert.deepEqual(prepare.instanceSources, ["10.114.0.0/20"]);
    assert.equal(hostSettings, "GATEWAY_NETWORK=10.114.0.0/20\nINSTANCES_OPEN_TO=gateways");
  });

  it("leave address records to whoever keeps them, and ports open as long as the operator likes", () => {
    const { edgeDns, prepare, hostSettings } = portsOf({
      EDGE_DOMAIN: "redis.example.org",
      EDGE_DNS: "none",
      GATEWAY_NETWORK: "10.114.0.2/32",
      INSTANCES_OPEN_TO: "everyone",
    });
    assert.deepEqual([edgeDns, prepare.instanceSources], [undefined, undefined]);
    assert.equal(hostSettings, "GATEWAY_NETWORK=10.114.0.2/32\nINSTANCES_OPEN_TO=everyone");
  });
});
