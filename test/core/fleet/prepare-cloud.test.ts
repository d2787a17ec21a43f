import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CloudFault } from "../../../apps/core/fleet/cloud.ts";
import { keepGatewayFirewall, prepareCloud, type PreparePorts } from "../../../apps/core/fleet/prepare-cloud.ts";
import { createTwinCloud } from "../../../apps/twins/cloud.ts";
import { createCallFaults } from "../../../apps/twins/turns.ts";
import { createTwinService } from "../../bed/twin-service.ts";

const anywhere = ["0.0.0.0/0", "::/0"];
const wellAccount = { status: "active", statusMessage: "", dropletLimit: 10 };

/** A cloud in which all is well, but for what is said otherwise, and a fleet that has these hosts already. */
async function open({
  account = wellAccount,
  size = "s-1vcpu-2gb",
  present = [],
  instanceSources,
  gateways,
}: {
  readonly account?: typeof wellAccount;
  readonly size?: string;
  readonly instanceSources?: readonly string[];
  readonly gateways?: PreparePorts["gateways"];
  readonly present?: readonly { readonly basePort: number; readonly capacity: number }[];
} = {}) {
  const service = createTwinService();
  for (const [index, host] of present.entries()) await service.addHost(`host-${index}`, host);
  const refusals = createCallFaults();
  const cloud = createTwinCloud({ clock: service.clock, account, faults: refusals });
  const prepare = () =>
    prepareCloud({
      cloud,
      store: service.store,
      clock: service.clock,
      plan: { tag: "ours", namePrefix: "ours", region: "fra1", image: "debian-12-x64", vpc: undefined, sshKeys: [] },
      sizes: [size],
      cap: 5,
      hosts: { basePort: 20_000, capacity: 20, enginePort: 2376 },
      privateNetwork: "10.0.0.0/8",
      instanceSources,
      gateways,
    });
  const events = async () =>
    (await service.store.events.list({}, 10))
      .reverse()
      .map(({ actor, kind, alarm, reason }) => ({ actor, kind, alarm, reason }));
  return { cloud, refusals, prepare, events };
}

describe("preparing the cloud", () => {
  it("opens instances' ports to all, and engines to the private network", async () => {
    const { cloud, prepare, events } = await open();
    assert.deepEqual(await prepare(), []);
    assert.deepEqual(await prepare(), [], "again: no change");
    assert.deepEqual(cloud.firewalls(), [
      {
        name: "ours",
        tag: "ours",
        inbound: [
          { protocol: "tcp", ports: "20000-20019", sources: anywhere },
          { protocol: "tcp", ports: "2376", sources: ["10.0.0.0/8"] },
        ],
      },
    ]);
    assert.deepEqual(await events(), []);
  });

  it("opens instances' ports to gateways alone where there are some, whatever it was before", async () => {
    const { cloud, prepare } = await open({ instanceSources: ["10.114.0.2/32"] });
    await cloud.ensureTag("ours");
    await cloud.ensureFirewall({
      name: "ours",
      tag: "ours",
      inbound: [{ protocol: "tcp", ports: "20000-20019", sources: anywhere }],
    });
    await prepare();
    assert.deepEqual(
      cloud.firewalls().map(({ inbound }) => inbound),
      [
        [
          { protocol: "tcp", ports: "20000-20019", sources: ["10.114.0.2/32"] },
          { protocol: "tcp", ports: "2376", sources: ["10.0.0.0/8"] },
        ],
      ],
    );
  });

  it("opens the ports of services on gateways' droplets as they come and go, and asks for nothing else", async () => {
    const services = [7000];
    const size = { tag: "ours-gateways", size: "s-1vcpu-1gb", count: 2 };
    const gateways = { ...size, openPorts: [6379], servicePorts: () => Promise.resolve([...services]) };
    const { cloud, refusals, prepare } = await open({ gateways });
    await prepare();
    const ports = () => cloud.firewalls()[0]?.inbound.map((rule) => rule.ports);
    assert.deepEqual(ports(), ["6379", "7000"]);
    const keep = keepGatewayFirewall({ cloud, gateways });
    await keep();
    refusals.add({ call: "ensureFirewall", fault: () => new CloudFault("refused", "none", new Error("no")) });
    await keep();
    services.push(443);
    await assert.rejects(keep(), CloudFault);
    refusals.clear();
    await keep();
    assert.deepEqual(ports(), ["6379", "7000", "443"], "what was refused is asked for again");
    services.splice(0);
    await keep();
    assert.deepEqual(ports(), ["6379"]);
    await keepGatewayFirewall({ cloud, gateways: undefined })();
  });

  it("opens the edge's ports alone to the world on gateways' droplets, under a tag of their own", async () => {
    const size = { tag: "ours-gateways", size: "s-1vcpu-1gb", count: 6 };
    const gateways = { ...size, openPorts: [6379, 443], servicePorts: () => Promise.resolve([]) };
    const { cloud, prepare } = await open({ gateways });
    assert.deepEqual(await prepare(), [
      "the account may have 10 droplets, fewer than DROPLET_CAP allows (5) with GATEWAYS (6)",
    ]);
    assert.deepEqual(cloud.firewalls()[0], {
      name: "ours-gateways",
      tag: "ours-gateways",
      inbound: ["6379", "443"].map((ports) => ({ protocol: "tcp", ports, sources: anywhere })),
    });
  });

  it("keeps open what hosts use that came under other settings", async () => {
    const present = [
      { basePort: 20_000, capacity: 40 },
      { basePort: 20_000, capacity: 10 },
      { basePort: 30_000, capacity: 5 },
    ];
    const { cloud, prepare } = await open({ present });
    await prepare();
    assert.deepEqual(
      cloud.firewalls()[0]?.inbound.map(({ ports }) => ports),
      ["20000-20039", "30000-30004", "2376"],
    );
  });

  it("says what the account and the offer lack", async () => {
    const account = { status: "warning", statusMessage: "A card has expired.", dropletLimit: 3 };
    const { prepare, events } = await open({ account, size: "huge" });
    const faults = await prepare();
    assert.deepEqual(faults, [
      `the account's status is "warning": A card has expired.`,
      "the account may have 3 droplets, fewer than DROPLET_CAP allows (5)",
      "There is no droplet size huge.",
    ]);
    assert.deepEqual(
      await events(),
      faults.map((reason) => ({ actor: "scale", kind: "settings", alarm: true, reason })),
    );
  });

  it("does not fail when the token may not read the account: that is reported, and orders go on", async () => {
    const { refusals, prepare } = await open({ size: "huge" });
    const fault = () => new CloudFault("refused", "none", "403 You are not authorized");
    refusals.add({ call: "readAccount", fault });
    assert.deepEqual(await prepare(), [
      "the settings could not be compared with what the cloud offers (cloud: 403 You are not authorized)",
      "There is no droplet size huge.",
    ]);
  });

  it("fails when the firewall cannot be made: droplets without it would be closed to all", async () => {
    const { refusals, prepare, events } = await open();
    refusals.add({ call: "ensureFirewall", fault: () => new CloudFault("refused", "none", "403") });
    await assert.rejects(prepare(), CloudFault);
    const reason = "tag and firewall cannot be made (cloud: 403)";
    assert.deepEqual(await events(), [{ actor: "scale", kind: "hold", alarm: true, reason }]);
  });
});
