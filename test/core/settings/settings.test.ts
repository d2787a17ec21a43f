import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Setting } from "../../../apps/core/settings/declaration.ts";
import { instanceAccess, leaseBoundsOf } from "../../../apps/core/settings/edge.ts";
import { enrolmentUrl } from "../../../apps/core/settings/enrolment.ts";
import { fleetPlan } from "../../../apps/core/settings/fleet.ts";
import { capacityOf } from "../../../apps/core/settings/hosts.ts";
import { handoutRules, instanceLimits, leaseBounds } from "../../../apps/core/settings/instances.ts";
import { formerNames, loadSettings, type SettingsError } from "../../../apps/core/settings/load.ts";
import { channelTargets, notifyRules } from "../../../apps/core/settings/notifications.ts";
import { rooms, settings, type SettingName } from "../../../apps/core/settings/settings.ts";

/** The faults that loading reports, or none. */
function faultsOf(
  env: Record<string, string>,
  needed: readonly SettingName[] = [],
  neededByFleet: readonly SettingName[] = [],
): readonly string[] {
  try {
    loadSettings(env, needed, neededByFleet);
    return [];
  } catch (error) {
    return (error as SettingsError).faults;
  }
}

describe("loadSettings", () => {
  it("gives every setting its default when nothing is set, and undefined to those without one", () => {
    const { cloud, ...loaded } = loadSettings({});
    assert.equal(cloud, undefined);
    for (const [room, values] of Object.entries(loaded)) {
      const declared = Object.entries<Setting>(rooms[room as keyof typeof loaded]);
      assert.deepEqual(
        Object.keys(values),
        declared.map(([key]) => key),
      );
      for (const [key, { name, kind, default: fallback }] of declared)
        assert.deepEqual(
          (values as Record<string, unknown>)[key],
          fallback === "" ? undefined : kind.parse(fallback),
          name,
        );
    }
    assert.deepEqual(
      [loaded.service.port, loaded.service.mysqlUrl, loaded.fleet.sizes, loaded.instances.handoutTimeoutMs],
      [8080, undefined, ["s-1vcpu-2gb"], 30_000],
    );
  });

  it("takes values from the environment, parsed: numbers, lists, addresses, durations in milliseconds", () => {
    const { service, instances, hosts, fleet, enrolment, jobs } = loadSettings({
      PORT: "9000",
      INSTANCE_CPUS: "1.5",
      PUBLIC_HOST: "redis.example.org",
      TRUST_PROXY: "loopback, 10.0.0.0/8,2001:db8::1",
      REAP_CRON: "*/5 * * * * *",
      LEASE_SECONDS: "120",
      ENGINE_TIMEOUT_SECONDS: "7",
      DROPLET_SIZES: "s-1vcpu-1gb, s-1vcpu-2gb",
      DROPLET_SSH_KEYS: "512190,3b:16:e4:bf",
      HEARTBEAT_REDIS: "redis.internal:6380",
    });
    assert.deepEqual(
      [service.port, instances.cpus, service.publicHost, jobs.reapCron],
      [9000, 1.5, "redis.example.org", "*/5 * * * * *"],
    );
    assert.deepEqual(service.trustProxy, ["loopback", "10.0.0.0/8", "2001:db8::1"]);
    assert.deepEqual([instances.leaseSeconds, hosts.engineTimeoutMs], [120, 7000]);
    assert.deepEqual(fleet.sizes, ["s-1vcpu-1gb", "s-1vcpu-2gb"]);
    assert.deepEqual(fleet.sshKeys, ["512190", "3b:16:e4:bf"]);
    assert.deepEqual(enrolment.heartbeatRedis, { host: "redis.internal", port: 6380 });
  });

  it("takes a host and a port by IPv6, too, and no port beyond the last", () => {
    assert.deepEqual(loadSettings({ HEARTBEAT_REDIS: "[2001:db8::1]:65535" }).enrolment.heartbeatRedis, {
      host: "2001:db8::1",
      port: 65_535,
    });
    for (const HEARTBEAT_REDIS of ["redis", "redis:0", "redis:65536", "2001:db8::1:6379", "redis://redis:6379"])
      assert.equal(faultsOf({ HEARTBEAT_REDIS }).length, 1, HEARTBEAT_REDIS);
  });

  it("treats an empty variable as one that is not set", () => {
    const { service } = loadSettings({ PORT: "", LOG_LEVEL: "", OPS_TOKEN: "" });
    assert.deepEqual([service.port, service.logLevel, service.opsToken], [8080, "info", undefined]);
  });

  it("has a cloud when its token is set, and asks then, and only then, for what a fleet needs", () => {
    const DIGITALOCEAN_TOKEN = "dop_v1_0123456789abcdef";
    assert.deepEqual(loadSettings({ DIGITALOCEAN_TOKEN }).cloud, {
      token: DIGITALOCEAN_TOKEN,
      url: "https://api.digitalocean.com/v2",
    });
    assert.deepEqual(faultsOf({}, [], ["PKI_DIR"]), []);
    assert.equal(loadSettings({ DIGITALOCEAN_TOKEN: "" }, [], ["PKI_DIR"]).cloud, undefined);
    assert.match(faultsOf({ DIGITALOCEAN_TOKEN }, [], ["PKI_DIR"]).join("\n"), /^PKI_DIR is missing: Folder of/);
    assert.deepEqual(faultsOf({ DIGITALOCEAN_TOKEN, PKI_DIR: "/pki" }, [], ["PKI_DIR"]), []);
  });

  it("refuses the former name of a setting with the one of now, and never takes its value", () => {
    assert.deepEqual(Object.entries(formerNames), [
      ["HOST_REST_SECONDS", "HOST_BACKOFF_SECONDS"],
      ["SLOT_REST_SECONDS", "SLOT_BACKOFF_SECONDS"],
    ]);
    for (const [former, name] of Object.entries(formerNames)) {
      assert.deepEqual(faultsOf({ [former]: "20" }), [`${former} is now called ${name}: set ${name} instead`]);
      assert.equal(faultsOf({ [former]: "20", [name]: "20" }).length, 1);
      assert.deepEqual(faultsOf({ [former]: "" }), []);
    }
  });

  it("passes over variables that are not its own", () => {
    assert.deepEqual(loadSettings({ HOME: "/root" }), loadSettings({}));
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
      () => loadSettings(env),
      (error: Error) => faultsOf(env).every((fault) => error.message.includes(fault)),
    );
  });

  it("takes for DOCKER_HOST what the docker command takes, and nothing that would silently go unencrypted", () => {
    for (const DOCKER_HOST of ["unix:///run/docker.sock", "tcp://10.0.0.1:2375"])
      assert.deepEqual(faultsOf({ DOCKER_HOST }), []);
    for (const DOCKER_HOST of ["http://10.0.0.1:2375", "https://10.0.0.1:2376"])
      assert.match(faultsOf({ DOCKER_HOST })[0] ?? "", /must be a URL that starts with unix:\/\/ or tcp:\/\//);
  });

  it("takes for links and contacts what a page can show, and no script, password or second line", () => {
    const { operator } = loadSettings({ CONTACT: "abuse@example.org", TERMS_URL: "https://example.org/t?a=1&b=2#c" });
    assert.deepEqual([operator.contact, operator.termsUrl], ["abuse@example.org", "https://example.org/t?a=1&b=2#c"]);
    assert.equal(loadSettings({ CONTACT: "https://example.org/abuse" }).operator.contact, "https://example.org/abuse");
    for (const env of [
      { CONTACT: "javascript:alert(1)" },
      { CONTACT: "abuse" },
      { CONTACT: "a@example.org?bcc=b@example.org" },
      { CONTACT: "a b@example.org" },
      { TERMS_URL: "javascript:alert(1)" },
      { TERMS_URL: "/terms" },
      { PRIVACY_URL: "https://user:word@example.org/" },
      { SOURCE_URL: 'https://example.org/"><script>' },
      { OPERATOR_NAME: "two\nlines" },
      { OPERATOR_NAME: " " },
    ])
      assert.throws(() => loadSettings(env), new RegExp(`${Object.keys(env)[0]} `), JSON.stringify(env));
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
    [/CONSOLE_REPLY_MB .* CONSOLE_REPLY_MB_PER_MINUTE/, { CONSOLE_REPLY_MB: "33" }],
    [/HEARTBEAT_SECONDS/, { HEARTBEAT_SECONDS: "10", HEARTBEAT_TTL_SECONDS: "10" }],
    [/port 65535/, { HOST_BASE_PORT: "65500", HOST_CAPACITY: "37" }],
    [/database other than 0/, { REDIS_URL: "redis://127.0.0.1:6379/2" }],
    [/QUOTA_PER_NETWORK .* QUOTA_PER_ADDRESS/, { QUOTA_PER_NETWORK: "5", QUOTA_PER_ADDRESS: "6" }],
    [/STARTS_PER_NETWORK_PER_DAY .* STARTS_PER_ADDRESS_PER_DAY/, { STARTS_PER_NETWORK_PER_DAY: "199" }],
    [/GATEWAY_NETWORK .* IPv4 alone/, { GATEWAY_NETWORK: "fd00::/8" }],
    [/APP_PORTS has 6379, at which gateways/, { EDGE_DOMAIN: "redis.example.org", APP_PORTS: "443,6379" }],
    [/GATEWAY_CONTROL_URL, .* belong together/, { GATEWAY_CONTROL_URL: "https://10.114.0.2:8443" }],
    [/READY_TIMEOUT_SECONDS/, { READY_TIMEOUT_SECONDS: "31", HANDOUT_TIMEOUT_SECONDS: "30" }],
  ];
  for (const [fault, env] of relations) {
    it(`refuses ${Object.entries(env)
      .map(([name, value]) => `${name}=${value}`)
      .join(" with ")}`, () => {
      assert.match(faultsOf(env).join("\n"), fault);
    });
  }

  it("refuses gateways on droplets without an edge, and those that the hosts would not let in", () => {
    assert.match(faultsOf({ GATEWAYS: "2" }).join(), /GATEWAYS is 2, and there is no EDGE_DOMAIN/);
    const edge = { GATEWAYS: "2", EDGE_DOMAIN: "redis.example.org" };
    assert.match(
      faultsOf({ ...edge, GATEWAY_NETWORK: "10.114.0.2/32" }).join(),
      /GATEWAY_NETWORK .* is a single address/,
    );
    assert.deepEqual(faultsOf({ ...edge, GATEWAY_NETWORK: "10.114.0.0/20" }), []);
  });

  it("reports all broken relations at once", () => {
    assert.equal(
      faultsOf(Object.assign({}, ...relations.slice(1).map(([, env]) => env)) as Record<string, string>).length,
      relations.length - 1,
    );
  });

  it("takes each relation at its very edge", () => {
    assert.deepEqual(faultsOf({ LEASE_MIN_SECONDS: "100", LEASE_SECONDS: "100", LEASE_MAX_SECONDS: "100" }), []);
    assert.deepEqual(faultsOf({ INSTANCE_MEMORY_MB: "48", INSTANCE_MEMORY_LIMIT_MB: "64" }), []);
    assert.deepEqual(faultsOf({ CONSOLE_REPLY_MB: "32" }), []);
    assert.deepEqual(faultsOf({ HOST_BASE_PORT: "65500", HOST_CAPACITY: "36" }), []);
    assert.deepEqual(faultsOf({ HOST_BASE_PORT: "65236" }), []);
    assert.match(faultsOf({ HOST_BASE_PORT: "65237" }).join("\n"), /HOST_CAPACITY \(300 at most by itself\)/);
  });
});

describe("what is derived from the settings", () => {
  it("slots of a host are those that the operator says, and else those that its memory holds", () => {
    assert.equal(capacityOf(loadSettings({ HOST_CAPACITY: "40" }), "box", 1024), 40);
    assert.equal(capacityOf(loadSettings({}), "droplet", 2048), 47);
    assert.equal(capacityOf(loadSettings({}), "box", 2048), 38);
    assert.equal(capacityOf(loadSettings({ INSTANCE_MEMORY_MB: "40" }), "droplet", 2048), 32);
  });

  it("behind an edge gateways alone connect to droplets' instances, unless everybody still may", () => {
    const access = (env: Record<string, string>) => instanceAccess(loadSettings(env));
    assert.equal(access({ GATEWAY_NETWORK: "10.114.0.2/32" }), undefined);
    const edge = { EDGE_DOMAIN: "redis.example.org" };
    assert.deepEqual(access(edge), { network: "10.0.0.0/8", only: true });
    assert.deepEqual(access({ ...edge, GATEWAY_NETWORK: "10.114.0.2/32", INSTANCES_OPEN_TO: "everyone" }), {
      network: "10.114.0.2/32",
      only: false,
    });
  });

  it("a gateway holds to an instance what its holder is promised and some more, and never more than it takes", () => {
    const bounds = (env: Record<string, string>) => leaseBoundsOf(loadSettings(env)).connectionsOfAll;
    const instances = { INSTANCE_MAX_CLIENTS: "60", INSTANCE_LOGINS_PENDING: "100" };
    assert.equal(bounds(instances), 110);
    assert.equal(bounds({ ...instances, EDGE_CONNECTIONS_PER_INSTANCE: "160" }), 160);
    for (const [wrong, why] of [
      ["59", /is less than INSTANCE_MAX_CLIENTS \(60\)/],
      ["161", /is more than an instance takes/],
    ] as const)
      assert.throws(() => bounds({ ...instances, EDGE_CONNECTIONS_PER_INSTANCE: wrong }), why);
  });

  it("a fleet expects of a droplet to come the slots of the size that it orders first", () => {
    const env = { DIGITALOCEAN_TOKEN: "0123456789abcdef", INSTANCE_IMAGE: "redis", SERVER_SECRET: "0123456789abcdef" };
    const expected = (more: Record<string, string>) =>
      handoutRules(loadSettings({ ...env, ...more }, ["INSTANCE_IMAGE", "SERVER_SECRET"])).admission.growth
        ?.slotsPerHost;
    assert.equal(expected({ DROPLET_SIZES: "s-2vcpu-4gb,s-1vcpu-2gb" }), 105);
    assert.equal(expected({ DROPLET_SIZES: "of-another-cloud" }), 47);
    assert.equal(expected({ HOST_CAPACITY: "40" }), 40);
  });

  it("has the units that decisions take", () => {
    const settings = loadSettings(
      {
        LEASE_SECONDS: "100",
        LEASE_MIN_SECONDS: "10",
        LEASE_MAX_SECONDS: "1000",
        HANDOUT_TIMEOUT_SECONDS: "7",
        READY_TIMEOUT_SECONDS: "2",
        SLOT_BACKOFF_SECONDS: "3",
        QUOTA_PER_ADDRESS: "4",
        INSTANCE_MEMORY_MB: "8",
        INSTANCE_IMAGE: "redis:7",
        SERVER_SECRET: "sixteen characters",
      },
      ["INSTANCE_IMAGE", "SERVER_SECRET"],
    );
    assert.deepEqual(leaseBounds(settings.instances), { usual: 100, least: 10, most: 1000 });
    const rules = handoutRules(settings);
    assert.deepEqual(
      [
        rules.timeoutMs,
        rules.readyTimeoutMs,
        rules.slotBackoffMs,
        rules.quotaPerAddress,
        rules.quotaPerNetwork,
        rules.service.limits.memoryMb,
      ],
      [7000, 2000, 3000, 4, 16, 8],
    );
    assert.deepEqual([instanceLimits(settings.instances).image, rules.serverSecret], ["redis:7", "sixteen characters"]);
    assert.deepEqual(rules.lease, leaseBounds(settings.instances));
  });

  it("names droplets and their tag by the deployment, without network and keys where none are set", () => {
    assert.deepEqual(fleetPlan(loadSettings({}).fleet, "abc"), {
      namePrefix: "gar-abc",
      tag: "getaredis-abc",
      region: "fra1",
      image: "debian-12-x64",
      vpc: undefined,
      sshKeys: [],
    });
  });

  it("finds the enrolment at its own address where no other is set", () => {
    const urlOf = (env: Record<string, string>) => enrolmentUrl(loadSettings(env).enrolment);
    assert.equal(urlOf({ ENROLMENT_HOST: "10.0.0.1", ENROLMENT_PORT: "8444" }), "https://10.0.0.1:8444");
    assert.equal(urlOf({ ENROLMENT_HOST: "fd00::1" }), "https://[fd00::1]:8443");
    assert.equal(urlOf({ ENROLMENT_URL: "https://enrol.example:1" }), "https://enrol.example:1");
  });
});

describe("settings of notifications", () => {
  const secret = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;

  it("take a webhook with its secret, mail with its addresses, and some topics", () => {
    const { notifications } = loadSettings({
      WEBHOOK_URL: "http://10.0.0.7:9000/hook",
      WEBHOOK_SECRET: secret,
      SMTP_URL: "smtps://user:p%40ss@smtp.example.org:465",
      MAIL_FROM: "redis@example.org",
      MAIL_TO: "one@example.org, two@example.org",
      NOTIFY_EVENTS: "host, misuse",
    });
    assert.deepEqual(channelTargets(notifications), [
      { channel: "webhook", target: "http://10.0.0.7:9000" },
      { channel: "mail", target: "one@example.org, two@example.org" },
    ]);
    assert.deepEqual(notifyRules(notifications).topics, ["host", "misuse"]);
    assert.deepEqual(notifications.webhookSecret, Buffer.alloc(24, 7));
    assert.deepEqual(notifyRules(loadSettings({}).notifications).channels, []);
  });

  it("are refused by halves, and when they are wrong, without a word of a secret", () => {
    assert.deepEqual(faultsOf({ WEBHOOK_URL: "https://example.org/hook" }), [
      "WEBHOOK_URL is set, and WEBHOOK_SECRET is not: set both, or neither",
    ]);
    assert.equal(faultsOf({ SMTP_URL: "smtp://127.0.0.1" }).length, 2);
    for (const env of [
      { WEBHOOK_URL: "ftp://a-secret", WEBHOOK_SECRET: secret },
      { WEBHOOK_URL: "https://user:a-secret@example.org/", WEBHOOK_SECRET: secret },
      { WEBHOOK_SECRET: "a-secret-that-is-long-enough" },
      { WEBHOOK_SECRET: `whsec_${Buffer.from("a-secret").toString("base64")}` },
      { SMTP_URL: "https://user:a-secret@example.org" },
      { MAIL_TO: "one@example.org, two" },
      { NOTIFY_EVENTS: "host,pigeons" },
    ]) {
      const faults = faultsOf(env);
      assert.equal(faults.length, 1, JSON.stringify(env));
      assert.ok(!faults.join("").includes("a-secret"), faults.join(""));
    }
  });
});

describe("settings", () => {
  it("have each a name of its own, and a default that they take themselves", () => {
    assert.equal(new Set(settings.map(({ name }) => name)).size, settings.length);
    for (const { name, kind, default: fallback } of settings)
      if (fallback !== "") assert.doesNotThrow(() => kind.parse(fallback), name);
  });

  it("each have a meaning that is a sentence, and numbers with a meaning of their own have a unit", () => {
    for (const { name, kind, meaning } of settings) {
      assert.match(meaning, /^\S.*[.)]$/, name);
      if (/_SECONDS$/.test(name)) assert.equal(kind.unit, "s", name);
      if (/_MS$/.test(name)) assert.equal(kind.unit, "ms", name);
      if (/_MB$/.test(name)) assert.equal(kind.unit, "MB", name);
      if (/_DAYS$/.test(name)) assert.equal(kind.unit, "days", name);
    }
  });
});
