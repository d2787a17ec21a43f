import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { prepareCloud, type InboundRule, type PreparePorts } from "../../../apps/core/fleet/prepare-cloud.ts";
import type { FleetEvent } from "../../../apps/core/events/event.ts";
import { CloudFault } from "../../../apps/core/fleet/cloud.ts";

const anywhere = ["0.0.0.0/0", "::/0"];

/** A cloud where all is well, and what it was asked for. */
function fixture(over: Partial<PreparePorts["cloud"]> = {}, present: { basePort: number; capacity: number }[] = []) {
  const inbound: InboundRule[] = [];
  const events: FleetEvent[] = [];
  const ports: PreparePorts = {
    cloud: {
      ensureTag: () => Promise.resolve(),
      ensureFirewall: (firewall) => Promise.resolve(void inbound.push(...firewall.inbound)),
      readAccount: () => Promise.resolve({ status: "active", statusMessage: "", dropletLimit: 10 }),
      checkOffer: () => Promise.resolve([]),
      ...over,
    },
    store: {
      hosts: { list: () => Promise.resolve(present.map((host) => ({ host }))) },
      events: { add: (event) => Promise.resolve(void events.push(event)) },
    },
    clock: () => new Date("2026-01-01T00:00:00Z"),
    plan: { tag: "ours", namePrefix: "ours", region: "fra1", image: "debian-12-x64", vpc: undefined, sshKeys: [] },
    sizes: ["small"],
    cap: 5,
    hosts: { basePort: 20_000, capacity: 20, enginePort: 2376 },
    privateNetwork: "10.0.0.0/8",
  };
  return { ports, inbound, events };
}

describe("preparing the cloud", () => {
  it("opens instances' ports to all, and engines to the private network", async () => {
    const { ports, inbound } = fixture();
    assert.deepEqual(await prepareCloud(ports), []);
    assert.deepEqual(inbound, [
      { protocol: "tcp", ports: "20000-20019", sources: anywhere },
      { protocol: "tcp", ports: "2376", sources: ["10.0.0.0/8"] },
    ]);
  });

  it("keeps open what hosts use that came under other settings", async () => {
    const { ports, inbound } = fixture({}, [
      { basePort: 20_000, capacity: 40 },
      { basePort: 20_000, capacity: 10 },
      { basePort: 30_000, capacity: 5 },
    ]);
    await prepareCloud(ports);
    assert.deepEqual(
      inbound.map((rule) => rule.ports),
      ["20000-20039", "30000-30004", "2376"],
    );
  });

  it("says what the account and the offer lack", async () => {
    const { ports, events } = fixture({
      readAccount: () => Promise.resolve({ status: "warning", statusMessage: "A card has expired.", dropletLimit: 3 }),
      checkOffer: () => Promise.resolve(["there is no size small in fra1"]),
    });
    const faults = await prepareCloud(ports);
    assert.deepEqual(
      events,
      faults.map((reason) => ({ actor: "scale", kind: "settings", alarm: true, reason })),
    );
    assert.deepEqual(faults, [
      `the account's status is "warning": A card has expired.`,
      "the account may have 3 droplets, fewer than DROPLET_CAP allows (5)",
      "there is no size small in fra1",
    ]);
  });

  it("does not fail when the token may not read the account: that is reported, and orders go on", async () => {
    const { ports } = fixture({
      readAccount: () => Promise.reject(new CloudFault("refused", "none", "403 You are not authorized")),
      checkOffer: () => Promise.resolve(["there is no size small in fra1"]),
    });
    assert.deepEqual(await prepareCloud(ports), [
      "the settings could not be compared with what the cloud offers (cloud: 403 You are not authorized)",
      "there is no size small in fra1",
    ]);
  });

  it("fails when the firewall cannot be made: droplets without it would be closed to all", async () => {
    const { ports, events } = fixture({
      ensureFirewall: () => Promise.reject(new CloudFault("refused", "none", "403")),
    });
    await assert.rejects(prepareCloud(ports), CloudFault);
    const reason = "tag and firewall cannot be made (cloud: 403)";
    assert.deepEqual(events, [{ actor: "scale", kind: "hold", alarm: true, reason }]);
  });
});
