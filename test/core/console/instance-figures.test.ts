import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { figuresOf } from "../../../apps/core/console/instance-figures.ts";

const info = [
  "# Clients",
  "connected_clients:3",
  "maxclients:50",
  "# Memory",
  "used_memory:1048576",
  "used_memory_human:1.00M",
  "maxmemory:26214400",
  "# Stats",
  "instantaneous_ops_per_sec:17",
  "# Keyspace",
  "db0:keys=12,expires=1,avg_ttl=5",
  "db7:keys=30,expires=0,avg_ttl=0",
  "",
];

describe("figuresOf", () => {
  it("reads an answer to INFO, keys of all databases added up", () => {
    const expected = {
      memoryBytes: 1_048_576,
      maxMemoryBytes: 26_214_400,
      keys: 42,
      clients: 2,
      maxClients: 50,
      opsPerSecond: 17,
    };
    assert.deepEqual(figuresOf(info.join("\r\n")), expected);
  });

  it("counts no keys where no database has any", () => {
    assert.equal(figuresOf(info.filter((line) => !line.startsWith("db")).join("\n"))?.keys, 0);
  });

  it("gives nothing when a figure is missing", () => {
    for (const name of ["connected_clients", "maxclients", "used_memory:", "maxmemory", "instantaneous"])
      assert.equal(figuresOf(info.filter((line) => !line.startsWith(name)).join("\r\n")), undefined, name);
    assert.equal(figuresOf(""), undefined);
  });
});
