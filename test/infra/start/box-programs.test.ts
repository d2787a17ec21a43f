import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { heartbeatSettings, jobsSettings } from "../../../infra/start/box-programs.ts";
import type { Box } from "../../../infra/start/box-programs.ts";

const box: Box = {
  name: "box",
  publicIp: "192.0.2.1",
  port: 8080,
  mysqlUrl: "mysql://root:secret@127.0.0.1:3306/getaredis",
  redisUrl: "redis://default:secret@127.0.0.1:6380",
  engineUrl: "unix:///run/docker.sock",
  image: "getaredis/redis:7",
  opsToken: "token-of-the-operator",
  serverSecret: "secret-of-the-server",
  boundsTransfer: true,
  portMapDir: "/tmp/getaredis/port-map",
  edge: undefined,
};
const beats = { heartbeatSeconds: 4, heartbeatTtlSeconds: 10 };

describe("the programs of a single box", () => {
  it("have a heartbeat that finds Redis by name and by address, IPv6 without brackets", () => {
    const redisOf = (redisUrl: string) => {
      const { HEARTBEAT_REDIS_HOST: host, HEARTBEAT_REDIS_PORT: port } = heartbeatSettings(beats, { ...box, redisUrl });
      return [host, port];
    };
    assert.deepEqual(redisOf("redis://:p@redis.example:6380"), ["redis.example", "6380"]);
    assert.deepEqual(redisOf("redis://:p@[2001:db8::1]:6380"), ["2001:db8::1", "6380"]);
    assert.deepEqual(redisOf("redis://[::1]"), ["::1", "6379"]);
  });

  it("tell no holder of a bound on what is sent where there is none", () => {
    assert.equal(jobsSettings({ ...box, boundsTransfer: false })["INSTANCE_TRANSFER_MB"], "0");
    assert.equal(jobsSettings(box)["INSTANCE_TRANSFER_MB"], process.env["INSTANCE_TRANSFER_MB"]);
  });

  it("keep the operator's token from the jobs, also when the settings name it", () => {
    process.env["OPS_TOKEN"] = box.opsToken;
    try {
      const given = jobsSettings(box);
      assert.ok(!Object.values(given).includes(box.opsToken));
      assert.equal(given["SERVER_SECRET"], box.serverSecret, "instances are watched with passwords derived from it");
    } finally {
      delete process.env["OPS_TOKEN"];
    }
  });
});
