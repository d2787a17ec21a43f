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
    keepGatewayUsers: () => Promise.resolve(),
    gateway: {
      files: { scripts: new Map([["set-up-gateway.sh", "true\n"]]), units: new Map() },
      programHash: "program",
    },
    environment: over,
    hostFiles: { scripts: new Map(), units: new Map() },
    caPem: () => PEM,
    term: () => Promise.resolve(1),
  });
  const script = ports.scale.userData("gar-1", "token");
  return { ...ports, service, hostSettings: /GATEWAY_NETWORK=.*\nINSTANCES_OPEN_TO=.*/.exec(script)?.[0] };
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

  const behindGateways = { EDGE_DOMAIN: "redis.example.org", GATEWAYS: "2", GATEWAY_OPEN_PORTS: "443" };

  it("order no gateways by default, and else under a tag, a name and a firewall of their own", async () => {
    const none = portsOf({ EDGE_DOMAIN: "redis.example.org" });
    assert.deepEqual([none.prepare.gateways, none.gateways.rules().wanted], [undefined, 0]);
    const { prepare, gateways, service } = portsOf({ ...behindGateways, EDGE_PLAIN_PORT: "6380" });
    const tag = "getaredis-abc123-gateways";
    const { servicePorts, ...plan } = prepare.gateways ?? assert.fail("there is no plan");
    assert.deepEqual(plan, { tag, size: "s-1vcpu-1gb", count: 2, openPorts: [6379, 6380, 443] });
    assert.deepEqual(await servicePorts(), []);
    const web = { name: "web", port: 8443, protocol: "http" as const, names: ["www.example.org"] };
    const now = new Date(0);
    await service.store.services.add({ ...web, policy: "round-robin", probe: { kind: "tcp" }, poolKey: null }, now);
    assert.deepEqual(await servicePorts(), [80, 8443], "those of services, with the way to them on port 80");
    const host = { name: "web-1", applications: null, nonce: Buffer.alloc(32), createdAt: now, createdBy: "admin" };
    await service.store.announcers.add(host);
    assert.deepEqual(
      await servicePorts(),
      [80, 8443, 80, 443],
      "those of applications, where a host may announce some",
    );
    assert.deepEqual([gateways.plan.tag, gateways.plan.namePrefix], [tag, "gar-abc123-gw"]);
    assert.deepEqual([gateways.rules().wanted, gateways.rules().drainMs], [2, 630_000]);
    const script = gateways.userData("gar-abc123-gw-1", "token");
    assert.match(script, /GATEWAY_NAME=gar-abc123-gw-1\nENROLMENT_URL=https:\/\/10.114.0.2:8443\n/);
    assert.ok(!script.includes("0123456789abcdef"), "no secret is in it but the token");
  });

  it("replace gateways when what they are ordered with changes, and only then", () => {
    const planOf = (over: Readonly<Record<string, string>>) =>
      portsOf({ ...behindGateways, ...over }).gateways.rules().plan;
    const plan = planOf({});
    assert.equal(planOf({ STANDBY_HOSTS: "3", GATEWAYS: "3", SERVER_SECRET: "another secret of the service" }), plan);
    for (const over of [
      { EDGE_CONNECTIONS: "9000" },
      { GATEWAY_SIZE: "s-2vcpu-2gb" },
      { DROPLET_IMAGE: "debian-13-x64" },
      { APP_RENDERER: "nginx" },
      { ENROLMENT_HOST: "10.114.0.3" },
    ])
      assert.notEqual(planOf(over), plan, Object.keys(over).join());
  });
});
