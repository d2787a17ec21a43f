import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { serverOfInfo, serverOfProgram, serverRefusal } from "../../../apps/core/services/server-version.ts";

const infoOf = (...lines: string[]) => ["# Server", ...lines, "redis_mode:standalone", ""].join("\r\n");

describe("the server of an instance", () => {
  it("tells by INFO whether it is Redis or Valkey, which tells a version of Redis besides its own", () => {
    assert.deepEqual(serverOfInfo(infoOf("redis_version:7.0.15")), { engine: "redis", version: "7.0.15" });
    assert.deepEqual(serverOfInfo(infoOf("redis_version:7.2.4", "server_name:valkey", "valkey_version:8.1.1")), {
      engine: "valkey",
      version: "8.1.1",
    });
  });

  it("tells nothing when it is something else, or makes something up", () => {
    for (const lines of [[], ["redis_version:"], ["redis_version:<script>"], [`redis_version:7.0${"1".repeat(99)}`]])
      assert.equal(serverOfInfo(infoOf(...lines)), undefined);
  });

  it("tells the same when it is asked for its version as a program", () => {
    assert.deepEqual(serverOfProgram("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=e0\n"), {
      engine: "redis",
      version: "7.0.15",
    });
    assert.deepEqual(serverOfProgram("Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=6f\n"), {
      engine: "valkey",
      version: "8.1.1",
    });
    assert.equal(serverOfProgram("bash: redis-server: not found"), undefined);
  });

  it("may be handed out when it is Valkey, or Redis from 7.0 to 7.2", () => {
    for (const version of ["7.0.0", "7.0.15", "7.2.0", "7.2.11"])
      assert.equal(serverRefusal({ engine: "redis", version }), undefined);
    for (const version of ["7.2.5", "8.0.0", "9.1.2"])
      assert.equal(serverRefusal({ engine: "valkey", version }), undefined);
  });

  it("may not be handed out when it is a later Redis or an older one, for reasons that it says", () => {
    for (const version of ["7.4.0", "8.0.2", "10.0.1"])
      assert.match(serverRefusal({ engine: "redis", version }) ?? "", new RegExp(`^Redis ${version} has a licence`));
    for (const version of ["6.0.16", "6.2.14", "5.0"])
      assert.match(serverRefusal({ engine: "redis", version }) ?? "", new RegExp(`^Redis ${version} is too old`));
  });
});
