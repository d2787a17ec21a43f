import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  handoutRules,
  leaseBounds,
  loadConfig,
  settings,
  type ConfigError,
  type SettingName,
} from "../../../apps/core/settings/config.ts";

/** The faults that loading reports, or none. */
function faultsOf(env: Record<string, string>, required: readonly SettingName[] = []): readonly string[] {
  try {
    loadConfig(env, required);
    return [];
  } catch (error) {
    return (error as ConfigError).faults;
  }
}

const names = Object.keys(settings) as SettingName[];

describe("loadConfig", () => {
  it("gives every setting its default when nothing is set", () => {
    const config = loadConfig({});
    assert.deepEqual(Object.keys(config).sort(), [...names].sort());
    for (const name of names) assert.equal(config[name], settings[name].default, name);
  });

  it("takes values from the environment, as numbers where they are numbers", () => {
    const config = loadConfig({
      PORT: "9000",
      INSTANCE_CPUS: "1.5",
      PUBLIC_HOST: "redis.example.org",
      TRUST_PROXY: "loopback, 10.0.0.0/8,2001:db8::1",
      REAP_CRON: "*/5 * * * * *",
    });
    assert.deepEqual(
      [config.PORT, config.INSTANCE_CPUS, config.PUBLIC_HOST, config.TRUST_PROXY, config.REAP_CRON],
      [9000, 1.5, "redis.example.org", "loopback, 10.0.0.0/8,2001:db8::1", "*/5 * * * * *"],
    );
  });

  it("treats an empty variable as one that is not set", () => {
    assert.equal(loadConfig({ PORT: "", LOG_LEVEL: "", OPS_TOKEN: "" }).PORT, settings.PORT.default);
  });

  it("passes over variables that are not its own", () => {
    assert.ok(!("HOME" in loadConfig({ HOME: "/root" })));
  });

  it("reports every fault at once, each with the setting's name and what it takes", () => {
    const env = {
      PORT: "80a",
      HOST_CAPACITY: "0",
      INSTANCE_CPUS: "much",
      PUBLIC_HOST: "http://example.org",
      TRUST_PROXY: "10.0.0.0/99",
      MYSQL_URL: "postgres://db",
      LOG_LEVEL: "loud",
      OPS_TOKEN: "short",
      REAP_CRON: "sometimes",
      INSTANCE_EVICTION_POLICY: "none",
    };
    const faults = faultsOf(env, ["REDIS_URL", "INSTANCE_IMAGE"]);
    for (const name of [...Object.keys(env), "REDIS_URL", "INSTANCE_IMAGE"])
      assert.equal(faults.filter((fault) => fault.startsWith(`${name} `)).length, 1, `${name}: ${faults.join("\n")}`);
    assert.equal(faults.length, 12);
    assert.match(faults.find((fault) => fault.startsWith("PORT")) ?? "", /"80a".*0 to 65535/);
    assert.match(faults.find((fault) => fault.startsWith("LOG_LEVEL")) ?? "", /trace, debug, info/);
    assert.throws(
      () => loadConfig(env),
      (error: Error) => faultsOf(env).every((fault) => error.message.includes(fault)),
    );
  });

  it("takes for DOCKER_HOST what the docker command takes, too, and nothing that would go unencrypted against its word", () => {
    for (const DOCKER_HOST of ["unix:///run/docker.sock", "tcp://10.0.0.1:2375"])
      assert.deepEqual(faultsOf({ DOCKER_HOST }), []);
    for (const DOCKER_HOST of ["http://10.0.0.1:2375", "https://10.0.0.1:2376"])
      assert.match(faultsOf({ DOCKER_HOST })[0] ?? "", /must be a URL that starts with unix:\/\/ or tcp:\/\//);
  });

  it("refuses numbers in any other spelling than digits", () => {
    for (const PORT of ["-1", "1e3", "0x50", " 80", "80 ", "8.0", "65536", "Infinity", "NaN"])
      assert.equal(faultsOf({ PORT }).length, 1, PORT);
    for (const INSTANCE_CPUS of ["-0.5", ".5", "1e-1", "0.5 cores", "0", "65"])
      assert.equal(faultsOf({ INSTANCE_CPUS }).length, 1, INSTANCE_CPUS);
  });

  it("takes the whole range of a number and nothing beside it", () => {
    fc.assert(
      fc.property(fc.integer({ min: -100, max: 70_000 }), (port) =>
        assert.equal(faultsOf({ PORT: String(port) }).length === 0, port >= 0 && port <= 65_535),
      ),
    );
  });

  it("never shows a secret, nor the password inside an address", () => {
    const faults = faultsOf({
      OPS_TOKEN: "hunter2",
      SERVER_SECRET: "hunter2",
      MYSQL_URL: "mysq://root:hunter2@db/x",
      REDIS_URL: "http://:hunter2@db",
      PORT: "no",
    }).join("\n");
    assert.match(faults, /OPS_TOKEN[^]*SERVER_SECRET|SERVER_SECRET[^]*OPS_TOKEN/);
    assert.match(faults, /MYSQL_URL/);
    assert.doesNotMatch(faults, /hunter2/);
  });

  it("does not show a password that itself has the signs of an address", () => {
    for (const MYSQL_URL of ["mysq://root:hun@ter2@db/x", "mysq://root:hun/ter2@db/x", "root:hunter2@db:3306/x"]) {
      const [fault = ""] = faultsOf({ MYSQL_URL });
      assert.doesNotMatch(fault, /ter2/, fault);
    }
  });

  const relations: [fault: RegExp, env: Record<string, string>][] = [
    [/LEASE_MIN_SECONDS .* LEASE_SECONDS/, { LEASE_MIN_SECONDS: "100", LEASE_SECONDS: "99" }],
    [/LEASE_SECONDS .* LEASE_MAX_SECONDS/, { LEASE_SECONDS: "100", LEASE_MAX_SECONDS: "99" }],
    [/INSTANCE_MEMORY_LIMIT_MB/, { INSTANCE_MEMORY_MB: "49", INSTANCE_MEMORY_LIMIT_MB: "64" }],
    [/HEARTBEAT_SECONDS/, { HEARTBEAT_SECONDS: "10", HEARTBEAT_TTL_SECONDS: "10" }],
    [/port 65535/, { HOST_BASE_PORT: "65500", HOST_CAPACITY: "37" }],
    [/database other than 0/, { REDIS_URL: "redis://127.0.0.1:6379/2" }],
    [/READY_TIMEOUT_SECONDS/, { READY_TIMEOUT_SECONDS: "31", HANDOUT_TIMEOUT_SECONDS: "30" }],
  ];
  for (const [fault, env] of relations) {
    it(`refuses ${Object.entries(env)
      .map(([name, value]) => `${name}=${value}`)
      .join(" with ")}`, () => {
      assert.match(faultsOf(env).join("\n"), fault);
    });
  }

  it("reports all broken relations at once", () => {
    assert.equal(
      faultsOf(Object.assign({}, ...relations.slice(1).map(([, env]) => env)) as Record<string, string>).length,
      relations.length - 1,
    );
  });

  it("takes each relation at its very edge", () => {
    assert.deepEqual(faultsOf({ LEASE_MIN_SECONDS: "100", LEASE_SECONDS: "100", LEASE_MAX_SECONDS: "100" }), []);
    assert.deepEqual(faultsOf({ INSTANCE_MEMORY_MB: "48", INSTANCE_MEMORY_LIMIT_MB: "64" }), []);
    assert.deepEqual(faultsOf({ HOST_BASE_PORT: "65500", HOST_CAPACITY: "36" }), []);
  });
});

describe("leaseBounds and handoutRules", () => {
  it("turn settings into the units that decisions take", () => {
    const config = loadConfig({
      LEASE_SECONDS: "100",
      LEASE_MIN_SECONDS: "10",
      LEASE_MAX_SECONDS: "1000",
      HANDOUT_TIMEOUT_SECONDS: "7",
      READY_TIMEOUT_SECONDS: "2",
      SLOT_BACKOFF_SECONDS: "3",
      QUOTA_PER_ADDRESS: "4",
      INSTANCE_MEMORY_MB: "8",
    });
    assert.deepEqual(leaseBounds(config), { usual: 100, least: 10, most: 1000 });
    const rules = handoutRules(config);
    assert.deepEqual(
      [rules.timeoutMs, rules.readyTimeoutMs, rules.slotBackoffMs, rules.quotaPerAddress, rules.limits.memoryMb],
      [7000, 2000, 3000, 4, 8],
    );
    assert.deepEqual(rules.lease, leaseBounds(config));
  });
});

describe("settings", () => {
  it("each have a meaning that is a sentence, and numbers with a meaning of their own have a unit", () => {
    for (const name of names) {
      assert.match(settings[name].meaning, /^\S.*[.)]$/, name);
      if (/_SECONDS$/.test(name)) assert.equal(settings[name].unit, "s", name);
      if (/_MS$/.test(name)) assert.equal(settings[name].unit, "ms", name);
      if (/_MB$/.test(name)) assert.equal(settings[name].unit, "MB", name);
      if (/_DAYS$/.test(name)) assert.equal(settings[name].unit, "days", name);
    }
  });
});
