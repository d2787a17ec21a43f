import { describe } from "node:test";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createTwinPressure } from "../../apps/twins/pressure.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";
import { describePressureContract } from "../contracts/pressure.ts";

describe("pressure in memory", () => {
  describePressureContract(() => {
    const faults = createCallFaults();
    return Promise.resolve({
      pressure: createTwinPressure({ faults }),
      kill: () => {
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
