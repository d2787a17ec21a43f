import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { engineAgent } from "../../../apps/adapters/docker/agent.ts";

describe("connections to an engine", () => {
  it("are written out as a name, however much of them is asked for", () => {
    const everything = { showHidden: true, depth: null };
    assert.equal(inspect(engineAgent("host-a", undefined), everything), "[agent of host-a]");
    const tls = { ca: "authority", cert: "certificate", key: "secret key" };
    assert.equal(inspect({ agent: engineAgent("host-b", tls) }, everything), "{ agent: [agent of host-b] }");
  });
});
