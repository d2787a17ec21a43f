import { describe } from "node:test";
import { createTwinCloud } from "../../apps/twins/cloud.ts";
import { createVirtualTime } from "../../apps/twins/time.ts";
import { describeCloudContract } from "../contracts/cloud.ts";

const LONGER_THAN_ANYTHING_TAKES_MS = 60_000;

describe("the cloud in memory", () => {
  describeCloudContract(({ dropletLimit = 25, domains = [] } = {}) => {
    const { clock, pass } = createVirtualTime(new Date("2026-01-01T00:00:00Z"));
    const cloud = createTwinCloud({
      clock,
      account: { status: "active", statusMessage: "", dropletLimit },
      domains,
    });
    return Promise.resolve({
      cloud,
      clock,
      settle: () => {
        pass(LONGER_THAN_ANYTHING_TAKES_MS);
        return Promise.resolve();
      },
      trouble: (kind) => cloud.faults.add({ kind }),
      calm: cloud.faults.clear,
      add: cloud.add,
      existing: () => cloud.droplets().map(({ name }) => name),
      everMade: () => cloud.everMade().map(({ name }) => name),
      firewalls: () =>
        Promise.resolve(
          cloud.firewalls().map(({ name, inbound }) => ({ name, ports: inbound.map(({ ports }) => ports) })),
        ),
      close: () => Promise.resolve(),
    });
  });
});
