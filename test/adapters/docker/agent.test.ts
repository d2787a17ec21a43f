import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { inspect, promisify } from "node:util";
import { engineAgent } from "../../../apps/adapters/docker/agent.ts";

describe("connections to an engine", () => {
  it("are written out as a name, however much of them is asked for", () => {
    const everything = { showHidden: true, depth: null };
    assert.equal(inspect(engineAgent("host-a", undefined), everything), "[agent of host-a]");
    const tls = { ca: "authority", cert: "certificate", key: "secret key" };
    assert.equal(inspect({ agent: engineAgent("host-b", tls) }, everything), "{ agent: [agent of host-b] }");
  });
});

describe("the library for engines", () => {
  it("loads nothing for SSH and for builds, which nothing here asks of it", async () => {
    const adapter = new URL("../../../apps/adapters/docker/engines.ts", import.meta.url).href;
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--input-type=module",
      "--eval",
      `import { createRequire } from "node:module";
       await import(${JSON.stringify(adapter)});
       console.log(Object.keys(createRequire(import.meta.url).cache).join("\\n"));`,
    ]);
    const loaded = stdout.split("\n");
    assert.ok(loaded.some((file) => file.endsWith("/dockerode/lib/container.js")));
    // What SSH and gRPC are made of.
    assert.deepEqual(
      loaded.filter((file) => /\/node_modules\/(asn1|protobufjs)\//.test(file)),
      [],
    );
  });
});
