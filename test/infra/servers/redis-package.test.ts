import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseServerPackage, SERVER_PACKAGES } from "../../../infra/servers/redis-package.ts";

/** What `apt-cache policy` prints of a package. */
const policyOf = (name: string, candidate: string, installed = "(none)") =>
  `${name}:\n  Installed: ${installed}\n  Candidate: ${candidate}\n  Version table:\n     ${candidate} 500\n` +
  `        500 file:/srv/packages stable/main amd64 Packages\n`;

describe("the package that instances are made of", () => {
  it("is Redis 7.0 on Debian 12, which knows no Valkey", () => {
    assert.deepEqual(chooseServerPackage(policyOf("redis-server", "5:7.0.15-1~deb12u10", "5:7.0.15-1~deb12u7")), {
      name: "redis-server",
      version: "7.0.15",
    });
  });

  it("is Valkey on Debian 13, whose Redis has another licence, and wherever else there is Valkey", () => {
    for (const redis of ["5:8.0.2-3+deb13u1", "5:7.0.15-1"])
      assert.deepEqual(
        chooseServerPackage(policyOf("redis-server", redis, redis) + policyOf("valkey-server", "8.1.1+dfsg1-3")),
        { name: "valkey-server", version: "8.1.1" },
      );
  });

  it("is Redis when Valkey is known by name and cannot be installed", () => {
    const policy = policyOf("valkey-server", "(none)") + policyOf("redis-server", "5:7.2.4-1ubuntu2");
    assert.deepEqual(chooseServerPackage(policy), { name: "redis-server", version: "7.2.4" });
  });

  it("is none when there is only a Redis under another licence, and the reason says which, and what to do", () => {
    for (const version of ["5:8.0.2-3", "5:7.4.1-1"])
      assert.throws(
        () => chooseServerPackage(policyOf("redis-server", version)),
        /Redis (8\.0\.2|7\.4\.1) has a licence .*Make valkey-server available to apt, or set INSTANCE_IMAGE/,
      );
  });

  it("is none when Redis is older than what bounds instances", () => {
    assert.throws(
      () => chooseServerPackage(policyOf("redis-server", "5:6.0.16-1ubuntu1")),
      /Redis 6\.0\.16 is too old/,
    );
  });

  it("is none when the lists know neither", () => {
    for (const policy of ["", policyOf("redis-server", "(none)")])
      assert.throws(() => chooseServerPackage(policy), /neither valkey-server nor redis-server/);
  });

  it("is asked for by name", () => {
    assert.deepEqual(SERVER_PACKAGES, ["valkey-server", "redis-server"]);
  });
});
