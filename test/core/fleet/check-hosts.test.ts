import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FleetEvent } from "../../../apps/core/events/event.ts";
import { checkHosts } from "../../../apps/core/fleet/check-hosts.ts";
import { EngineFault } from "../../../apps/core/fleet/engine-fault.ts";
import type { EngineHost, Host } from "../../../apps/core/fleet/host.ts";

const now = new Date("2026-01-01T00:00:00Z");
const hostNamed = (name: string): Host => ({
  name,
  engineUrl: "https://10.0.0.1:2376",
  deployment: "d",
  publicHost: "192.0.2.1",
  checkHost: "10.0.0.1",
  bindAddress: "0.0.0.0",
  capacity: 4,
  basePort: 20_000,
  state: "active",
});

describe("checking hosts", () => {
  it("keeps which hosts answer, gives them the image, and reports those that do not get it", async () => {
    const events: FleetEvent[] = [];
    const imaged: string[] = [];
    let reachability: unknown;
    const only = (name: string, reason: "unreachable" | "refused") => (host: EngineHost) =>
      host.name === name ? Promise.reject(new EngineFault(reason, host.name, new Error("no"))) : Promise.resolve();
    await checkHosts(
      {
        store: {
          hosts: {
            list: () =>
              Promise.resolve(
                ["a", "b", "c"].map((name) => ({
                  host: hostNamed(name),
                  inUse: 0,
                  occupied: 0,
                  unreachableSince: null,
                })),
              ),
          },
          droplets: {
            keepReachability: (...names) => Promise.resolve(void (reachability = names)),
          },
          events: { add: (event) => Promise.resolve(void events.push(event)) },
        },
        engines: {
          ping: only("b", "unreachable"),
          ensureImage: async (host) => {
            await only("c", "refused")(host);
            imaged.push(host.name);
          },
        },
        clock: () => now,
      },
      4,
    );
    assert.deepEqual(reachability, [["a", "c"], ["b"], now]);
    assert.deepEqual(imaged, ["a"]);
    const reason = "it cannot be given the image: engine of c: no";
    assert.deepEqual(events, [{ actor: "health", kind: "hold", host: "c", reason }]);
  });
});
