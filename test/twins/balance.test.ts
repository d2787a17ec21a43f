import { describe } from "node:test";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createTwinBalance } from "../../apps/twins/balance.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";
import { describeBalanceContract } from "../contracts/balance.ts";

describe("pools and announcements in memory", () => {
  describeBalanceContract(() => {
    const faults = createCallFaults();
    const twin = createTwinBalance({ clock: () => new Date("2026-01-01T00:00:00Z"), faults });
    return Promise.resolve({
      ...twin,
      kill: () => {
        faults.add({ fault: () => new Unavailable("redis", new Error("gone")) });
        return Promise.resolve();
      },
      restart: () => {
        faults.clear();
        twin.restart();
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
  });
});
