import { describe } from "node:test";
import { createTwinGateways } from "../../apps/twins/gateways.ts";
import { createVirtualTime } from "../../apps/twins/time.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { describeGatewaysContract } from "../contracts/gateways.ts";

describe("gateways in memory", () => {
  describeGatewaysContract(() => {
    const { clock, pass } = createVirtualTime(new Date("2026-01-01T00:00:00Z"));
    const faults = createCallFaults();
    const twin = createTwinGateways({ clock, faults });
    return Promise.resolve({
      membership: twin.membership,
      news: { gateway: twin.news, starter: twin.news },
      services: twin.services,
      set: (name, value, lifeMs) => {
        twin.set(name, value, lifeMs);
        return Promise.resolve();
      },
      setServices: (name, value, lifeMs) => {
        twin.setServices(name, value, lifeMs);
        return Promise.resolve();
      },
      outlive: () => {
        pass(50);
        return Promise.resolve();
      },
      kill: () => {
        twin.clear();
        faults.add({ fault: () => new Unavailable("redis", new Error("gone")) });
        return Promise.resolve();
      },
      restart: () => {
        faults.clear();
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
  });
});
