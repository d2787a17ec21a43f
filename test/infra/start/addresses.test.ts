import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { boxAddresses } from "../../../infra/start/addresses.ts";

const here = { publicHost: undefined, engineUrl: "unix:///run/docker.sock", isBehindEdge: false };
const elsewhere = { publicHost: undefined, engineUrl: "tcp://192.0.2.10:2375", isBehindEdge: false };

describe("where a single box is found", () => {
  it("has the page and the instances on HOST, with the engine on this machine", async () => {
    const { pageHost, isPageOpen, publicHost, bindAddress } = await boxAddresses({ host: "127.0.0.1", ...here });
    assert.deepEqual([pageHost, isPageOpen, publicHost, bindAddress], ["127.0.0.1", false, "127.0.0.1", "127.0.0.1"]);
  });

  it("has the instances where its own gateway alone reaches them, behind an edge", async () => {
    const { publicHost, bindAddress, checkHost, listenAddress } = await boxAddresses({
      ...here,
      host: "0.0.0.0",
      publicHost: "redis.example",
      isBehindEdge: true,
    });
    assert.deepEqual(
      [publicHost, bindAddress, checkHost, listenAddress],
      ["redis.example", "127.0.0.1", "127.0.0.1", "0.0.0.0"],
    );
  });

  it("has the page on this machine and the instances on the engine's, with the engine elsewhere", async () => {
    const { pageHost, isPageOpen, publicHost, bindAddress } = await boxAddresses({ host: "127.0.0.1", ...elsewhere });
    assert.deepEqual([pageHost, isPageOpen, publicHost, bindAddress], ["127.0.0.1", false, "192.0.2.10", "0.0.0.0"]);
  });

  it("shows a name or address of the machine, not the wildcard it listens on", async () => {
    for (const place of [here, elsewhere]) {
      const { pageHost, isPageOpen } = await boxAddresses({ host: "0.0.0.0", ...place });
      assert.deepEqual([pageHost === "0.0.0.0", isPageOpen], [false, true]);
    }
    const { pageHost, publicHost } = await boxAddresses({ host: "0.0.0.0", ...here, publicHost: "redis.example" });
    assert.deepEqual([pageHost, publicHost], ["redis.example", "redis.example"]);
  });

  it("says which setting names a host that has no address", async () => {
    await assert.rejects(boxAddresses({ host: "no-such-host.invalid", ...here }), /^Error: HOST names no-such-host/);
  });
});
