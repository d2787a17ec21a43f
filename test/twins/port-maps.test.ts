import { describe } from "node:test";
import { createTwinPortMaps } from "../../apps/twins/port-maps.ts";
import { describePortMapsContract } from "../contracts/port-maps.ts";

describe("the way to hosts' programs in memory", () => {
  describePortMapsContract(() => {
    const portMaps = createTwinPortMaps();
    return { portMaps, report: portMaps.report };
  });
});
