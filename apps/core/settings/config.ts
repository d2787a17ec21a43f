import { isIP } from "node:net";
import { EnvError, EnvMissingError, cleanEnv, makeValidator } from "envalid";
import ipaddr from "ipaddr.js";
import { validate } from "node-cron";
import type { HandoutRules } from "../instances/create-instance.ts";
import type { FleetPlan } from "../fleet/scale-fleet.ts";
import type { LeaseBounds } from "../instances/instance.ts";
import type { ScalingRules } from "../fleet/scaling.ts";

const KIB = 1024;

/**
 * Every setting of the product, declared once: its environment variable, default, unit and meaning.
 * README's table of settings is checked against this list. An empty default means "not set".
 */
export const settings = {
  HOST: text(
    "127.0.0.1",
    "",
    "Address the API listens on; instances of a single box are published on it too. 0.0.0.0 opens both to the network.",
  ),
  PORT: whole(8080, "", "Port the API listens on; 0 picks a free one.", 0, 65_535),
  PUBLIC_HOST: hostName(
    "",
    "",
    "Name or address handed to users for their instances. Default: HOST, or this machine's first outward address when HOST is a wildcard.",
  ),
  TRUST_PROXY: proxies(
    "",
    "",
    "Proxies whose X-Forwarded-For is believed: comma-separated addresses, CIDRs, or loopback, linklocal, uniquelocal. Default: none.",
  ),
  MYSQL_URL: url(
    "",
    "",
    "MySQL 8 or MariaDB 10.6+ with the database's name, mysql://user:password@host:port/name. Default: a private MariaDB.",
    ["mysql:"],
  ),
  REDIS_URL: url(
    "",
    "",
    "Redis for liveness and rate limits, redis://user:password@host:port; its database 0 is used. Default: a private Redis.",
    ["redis:"],
  ),
  DOCKER_HOST: url(
    "",
    "",
    "Docker Engine of the single box, unix:///path or tcp://host:port. Default: the default socket's engine where it answers, else a private one.",
    ["unix:", "tcp:"],
  ),
  STATE_DIR: text(".getaredis", "", "Folder of `npm start` for its private servers, logs and secrets."),
  OPS_TOKEN: secret(
    "",
    "",
    "Bearer token of the operator, 16 characters or more. Default: made at the first `npm start`.",
  ),
  SERVER_SECRET: secret(
    "",
    "",
    "Secret that seals answers kept for idempotent retries, and that hosts' heartbeat passwords are derived from; 16 characters or more. Default: made at the first `npm start`.",
  ),
  LOG_LEVEL: oneOf("info", "", "Least severe log line written.", ["trace", "debug", "info", "warn", "error", "fatal"]),

  LEASE_SECONDS: whole(12 * 3600, "s", "Lifetime of an instance when the request names none.", 1, 30 * 86_400),
  LEASE_MIN_SECONDS: whole(60, "s", "Shortest lifetime a request may ask for.", 1, 30 * 86_400),
  LEASE_MAX_SECONDS: whole(24 * 3600, "s", "Longest lifetime of an instance, extensions included.", 1, 30 * 86_400),
  QUOTA_PER_ADDRESS: whole(
    6,
    "instances",
    "Live instances an IPv4 address or an IPv6 /64 may hold at once.",
    1,
    10_000,
  ),
  RATE_LIMIT_PER_MINUTE: whole(
    300,
    "requests",
    "Requests a minute an address may make; the operator ten times as many.",
    1,
    1_000_000,
  ),
  HANDOUT_RATE_LIMIT_PER_MINUTE: whole(30, "requests", "`POST /instances` a minute an address may make.", 1, 1_000_000),

  INSTANCE_IMAGE: text(
    "",
    "",
    "Container image with redis-server as its entry point (Redis 7.0 to 7.2, or Valkey). Default: made from this machine's redis-server package.",
  ),
  INSTANCE_MEMORY_MB: whole(25, "MB", "Data an instance may hold (maxmemory).", 1, 64 * KIB),
  INSTANCE_MEMORY_LIMIT_MB: whole(
    64,
    "MB",
    "Memory of an instance's container, buffers and fragmentation included; no swap.",
    6,
    128 * KIB,
  ),
  INSTANCE_EVICTION_POLICY: oneOf(
    "noeviction",
    "",
    "What a full instance does: noeviction refuses writes with an error, the others drop keys.",
    [
      "noeviction",
      "allkeys-lru",
      "allkeys-lfu",
      "allkeys-random",
      "volatile-lru",
      "volatile-lfu",
      "volatile-random",
      "volatile-ttl",
    ],
  ),
  INSTANCE_MAX_CLIENTS: whole(50, "connections", "Connections an instance accepts at once.", 1, 10_000),
  INSTANCE_CONNECTIONS_PER_ADDRESS: whole(
    40,
    "connections",
    "Connections an address may hold to one instance; fewer than INSTANCE_MAX_CLIENTS, so that no stranger without the password holds them all.",
    1,
    10_000,
  ),
  INSTANCE_CPUS: decimal(0.5, "cores", "Processor share of an instance.", 0.01, 64),

  HOST_CAPACITY: whole(40, "slots", "Instances a host may run: the single box, or each droplet.", 1, 10_000),
  HOST_BASE_PORT: whole(
    20_000,
    "",
    "First port of a host's instances; slot n publishes HOST_BASE_PORT + n.",
    1,
    65_535,
  ),
  HEARTBEAT_SECONDS: whole(4, "s", "Time between two heartbeats of a host.", 1, 3600),
  HEARTBEAT_TTL_SECONDS: whole(
    10,
    "s",
    "Life of a heartbeat key: a host silent for longer takes no more instances.",
    1,
    3600,
  ),
  FLEET_REFRESH_MS: whole(1000, "ms", "Time between two readings of hosts and heartbeats by the API.", 50, 60_000),
  LIVENESS_MAX_AGE_SECONDS: whole(
    10,
    "s",
    "Age at which heartbeats read earlier count for nothing (Redis does not answer): no more hand-outs.",
    1,
    3600,
  ),
  HANDOUT_TIMEOUT_SECONDS: whole(
    30,
    "s",
    "Time a hand-out may take over all hosts tried; a row older than that and still starting is undone.",
    1,
    600,
  ),
  ENGINE_TIMEOUT_SECONDS: whole(15, "s", "Time a Docker Engine may take for one call.", 1, 600),
  READY_TIMEOUT_SECONDS: whole(5, "s", "Time a started instance may take to its first PONG.", 1, 600),
  HOST_BACKOFF_SECONDS: whole(
    15,
    "s",
    "Longest time a host is passed over that fails hand-out after hand-out; it begins with 1 s.",
    1,
    3600,
  ),
  SLOT_BACKOFF_SECONDS: whole(300, "s", "Time a slot whose port is held by something else is passed over.", 1, 86_400),
  SHUTDOWN_SECONDS: whole(35, "s", "Time running requests and jobs get when the process is told to stop.", 1, 600),

  DIGITALOCEAN_TOKEN: secret(
    "",
    "",
    "API token of DigitalOcean that may read the account, and read and write droplets, tags and firewalls. Set: the service runs its own fleet of droplets.",
  ),
  DIGITALOCEAN_URL: url("https://api.digitalocean.com/v2", "", "Where the API of DigitalOcean is.", [
    "https:",
    "http:",
  ]),
  DROPLET_REGION: text("fra1", "", "Region of the droplets."),
  DROPLET_SIZES: list(
    "s-1vcpu-2gb",
    "",
    "Sizes of droplets, comma-separated; the next one is tried when one is out of stock.",
  ),
  DROPLET_IMAGE: text("debian-12-x64", "", "System image of the droplets: Debian 12 or Ubuntu 22.04 and later."),
  DROPLET_VPC: text(
    "",
    "",
    "Id of the private network that control plane and droplets share. Default: the region's default network.",
  ),
  DROPLET_SSH_KEYS: text(
    "",
    "",
    "Ids or fingerprints of SSH keys that may log in to droplets, comma-separated. Default: none.",
  ),
  DROPLET_CAP: whole(5, "droplets", "Most droplets there may be at any time: what the fleet may cost.", 1, 10_000),
  STANDBY_HOSTS: whole(1, "hosts", "Empty hosts kept ready; with 0 none is ever ordered.", 0, 100),
  SURPLUS_SECONDS: whole(300, "s", "Time a host must have been empty before it goes as surplus.", 0, 86_400),
  BOOT_TIMEOUT_SECONDS: whole(
    600,
    "s",
    "Time from order to a host that takes instances; a droplet that takes longer is destroyed.",
    1,
    86_400,
  ),
  ORDER_SETTLE_SECONDS: whole(
    180,
    "s",
    "Time an order whose answer was lost is looked for by name before it counts as never made.",
    1,
    86_400,
  ),
  ORDER_BACKOFF_SECONDS: whole(
    30,
    "s",
    "Pause after an order that failed; twice as long after each further one, an hour at most.",
    1,
    3600,
  ),
  ORPHAN_AGE_SECONDS: whole(
    600,
    "s",
    "Age at which a droplet with our tag that nobody tracks is destroyed.",
    1,
    86_400,
  ),
  SILENT_REPLACE_SECONDS: whole(60, "s", "Silence after which a standby is replaced.", 0, 86_400),
  SILENT_GRACE_SECONDS: whole(1800, "s", "Silence after which a host without leases is destroyed.", 1, 30 * 86_400),
  PRIVATE_NETWORK: network(
    "10.0.0.0/8",
    "",
    "Private network of control plane and droplets; the droplets' engines are open to it alone.",
  ),
  PKI_DIR: text(
    "",
    "",
    "Folder of the control plane's certificates: ca.pem, client.pem and client-key.pem, and for the enrolment ca-key.pem. `npm run pki` makes it.",
  ),
  HOST_FILES_DIR: text(
    "",
    "",
    "Folder with the scripts and systemd units that a droplet runs besides its instances: the project's infra/host.",
  ),
  ENROLMENT_HOST: text(
    "127.0.0.1",
    "",
    "Address that the enrolment of new hosts listens on: the control plane's private one.",
  ),
  ENROLMENT_PORT: whole(8443, "", "Port that the enrolment listens on; 0 picks a free one.", 0, 65_535),
  ENROLMENT_URL: url(
    "",
    "",
    "Where droplets find the enrolment. Default: https at ENROLMENT_HOST and ENROLMENT_PORT.",
    ["https:"],
  ),
  HEARTBEAT_REDIS: hostAndPort("", "", "Redis as droplets reach it, host:port. Default: host and port of REDIS_URL."),
  INSTANCE_IMAGE_ARCHIVE: text(
    "",
    "",
    "File with the image, as `docker save` writes it, sent to each new host. Default: hosts pull INSTANCE_IMAGE.",
  ),
  SCALE_CRON: cron("*/30 * * * * *", "", "When the fleet is compared with what it should be."),
  ADMIT_CRON: cron("*/5 * * * * *", "", "When booted droplets are made hosts."),

  REAP_CRON: cron(
    "* * * * *",
    "",
    "When instances past their lifetime are ended (cron, seconds allowed as a sixth field in front).",
  ),
  RECONCILE_CRON: cron("* * * * *", "", "When rows and containers are compared and repaired."),
  PRUNE_CRON: cron("17 * * * *", "", "When history older than HISTORY_DAYS is dropped."),
  HISTORY_DAYS: whole(30, "days", "How long ended instances, with their addresses, are remembered.", 1, 3650),
  JOB_CONCURRENCY: whole(8, "hosts", "Hosts a job works on at once.", 1, 1000),
};

/** Name of a setting, as it stands in the environment. */
export type SettingName = keyof typeof settings;

/** All settings with their values; text settings that are not set are "". */
export type Config = { readonly [Name in SettingName]: ReturnType<(typeof settings)[Name]["read"]> };

/** Thrown by {@link loadConfig}; `faults` has one line for each setting that is missing or wrong. */
export type ConfigError = Error & { readonly faults: readonly string[] };

/**
 * Reads all settings from `env`, checks each and their relations, and reports every fault at once.
 * @param required settings that this program cannot do without
 * @throws {ConfigError} when any setting is missing or wrong; the message names each and what it takes
 */
export function loadConfig(env: NodeJS.ProcessEnv, required: readonly SettingName[] = []): Config {
  const faults: string[] = [];
  const validators = Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, setting.validator]));
  // An empty variable is how shells and compose files say "not set".
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const config = cleanEnv(given, validators, {
    reporter: ({ errors }) => {
      for (const [name, error] of Object.entries(errors)) {
        if (error instanceof EnvMissingError) faults.push(`${name} is missing`);
        else if (error instanceof Error)
          faults.push(
            /SECRET|TOKEN/.test(name)
              ? `${name} ${error.message}`
              : `${name} is "${shown(given[name])}": ${error.message}`,
          );
      }
    },
  }) as unknown as Config;
  for (const name of required) {
    if (config[name] === "") faults.push(`${name} is missing: ${settings[name].meaning}`);
  }
  faults.push(...relationFaults({ ...config }));
  if (faults.length > 0) {
    const message = `The settings have ${faults.length === 1 ? "a fault" : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`;
    throw Object.assign(new Error(message), { faults });
  }
  return { ...config };
}

/** Bounds of a lease, out of the settings. */
export function leaseBounds(config: Config): LeaseBounds {
  return { usual: config.LEASE_SECONDS, least: config.LEASE_MIN_SECONDS, most: config.LEASE_MAX_SECONDS };
}

/** Rules of hand-outs, out of the settings. */
export function handoutRules(config: Config): HandoutRules {
  return {
    limits: {
      image: config.INSTANCE_IMAGE,
      memoryMb: config.INSTANCE_MEMORY_MB,
      memoryLimitMb: config.INSTANCE_MEMORY_LIMIT_MB,
      evictionPolicy: config.INSTANCE_EVICTION_POLICY,
      maxClients: config.INSTANCE_MAX_CLIENTS,
      cpus: config.INSTANCE_CPUS,
    },
    lease: leaseBounds(config),
    quotaPerAddress: config.QUOTA_PER_ADDRESS,
    timeoutMs: config.HANDOUT_TIMEOUT_SECONDS * 1000,
    readyTimeoutMs: config.READY_TIMEOUT_SECONDS * 1000,
    slotBackoffMs: config.SLOT_BACKOFF_SECONDS * 1000,
    serverSecret: config.SERVER_SECRET,
  };
}

/** Rules of the fleet's size, out of the settings. */
export function scalingRules(config: Config): ScalingRules {
  const [first = "", ...others] = listed(config.DROPLET_SIZES);
  return {
    standbys: config.STANDBY_HOSTS,
    cap: config.DROPLET_CAP,
    sizes: [first, ...others],
    surplusMs: config.SURPLUS_SECONDS * 1000,
    bootTimeoutMs: config.BOOT_TIMEOUT_SECONDS * 1000,
    settleMs: config.ORDER_SETTLE_SECONDS * 1000,
    backoffMs: config.ORDER_BACKOFF_SECONDS * 1000,
    orphanAgeMs: config.ORPHAN_AGE_SECONDS * 1000,
    silentReplaceMs: config.SILENT_REPLACE_SECONDS * 1000,
    silentGraceMs: config.SILENT_GRACE_SECONDS * 1000,
  };
}

/** What the droplets of a deployment are ordered with, out of the settings. */
export function fleetPlan(config: Config, deployment: string): FleetPlan {
  return {
    namePrefix: `gar-${deployment}`,
    tag: `getaredis-${deployment}`,
    region: config.DROPLET_REGION,
    image: config.DROPLET_IMAGE,
    vpc: config.DROPLET_VPC,
    sshKeys: listed(config.DROPLET_SSH_KEYS),
  };
}

function listed(entries: string): string[] {
  return entries
    .split(",")
    .map((entry) => entry.trim())
    .filter(Boolean);
}

/** Faults that no setting has alone. Settings with a fault of their own are undefined here, and compare as false. */
function relationFaults(config: Config): string[] {
  const faults: string[] = [];
  if (config.LEASE_MIN_SECONDS > config.LEASE_SECONDS)
    faults.push(`LEASE_MIN_SECONDS (${config.LEASE_MIN_SECONDS}) is more than LEASE_SECONDS (${config.LEASE_SECONDS})`);
  if (config.LEASE_SECONDS > config.LEASE_MAX_SECONDS)
    faults.push(`LEASE_SECONDS (${config.LEASE_SECONDS}) is more than LEASE_MAX_SECONDS (${config.LEASE_MAX_SECONDS})`);
  if (config.INSTANCE_MEMORY_LIMIT_MB < config.INSTANCE_MEMORY_MB + 16)
    faults.push(
      `INSTANCE_MEMORY_LIMIT_MB (${config.INSTANCE_MEMORY_LIMIT_MB}) must exceed INSTANCE_MEMORY_MB (${config.INSTANCE_MEMORY_MB}) by 16 or more, for buffers and Redis itself`,
    );
  if (config.HEARTBEAT_SECONDS >= config.HEARTBEAT_TTL_SECONDS)
    faults.push(
      `HEARTBEAT_SECONDS (${config.HEARTBEAT_SECONDS}) must be less than HEARTBEAT_TTL_SECONDS (${config.HEARTBEAT_TTL_SECONDS}), or live hosts look dead between two beats`,
    );
  if (config.HOST_BASE_PORT + config.HOST_CAPACITY > 65_536)
    faults.push(
      `HOST_BASE_PORT (${config.HOST_BASE_PORT}) + HOST_CAPACITY (${config.HOST_CAPACITY}) passes port 65535`,
    );
  if (config.READY_TIMEOUT_SECONDS > config.HANDOUT_TIMEOUT_SECONDS)
    faults.push(
      `READY_TIMEOUT_SECONDS (${config.READY_TIMEOUT_SECONDS}) is more than HANDOUT_TIMEOUT_SECONDS (${config.HANDOUT_TIMEOUT_SECONDS})`,
    );
  if (config.REDIS_URL && !["", "/", "/0"].includes(new URL(config.REDIS_URL).pathname))
    faults.push("REDIS_URL names a database other than 0, but heartbeats are written to database 0");
  return faults;
}

/** A value as an error may show it, without the password inside a URL. */
function shown(value: string | undefined): string {
  // Up to the last @: a password that was not encoded may hold @ and / itself.
  return (value ?? "").replace(/^([a-z+.-]*:\/\/)?.*@/is, "$1(hidden)@").slice(0, 200);
}

type Setting<T> = {
  readonly default: T;
  /** Unit of the value, or "". */
  readonly unit: string;
  readonly meaning: string;
  readonly validator: ReturnType<ReturnType<typeof makeValidator<T>>>;
  /** Gives `Config` its type; it is never called. */
  readonly read: () => T;
};

function setting<T extends string | number>(
  fallback: T,
  unit: string,
  meaning: string,
  parse: (input: string) => T,
): Setting<T> {
  const validator = makeValidator<T>(parse)({ default: fallback, desc: meaning });
  return { default: fallback, unit, meaning, validator, read: () => fallback };
}

function text(fallback: string, unit: string, meaning: string): Setting<string> {
  return setting(fallback, unit, meaning, (input) => input);
}

function whole(fallback: number, unit: string, meaning: string, least: number, most: number): Setting<number> {
  return setting(fallback, unit, meaning, (input) => {
    const value = Number(input);
    if (!/^\d+$/.test(input) || value < least || value > most)
      throw new EnvError(`must be a whole number from ${least} to ${most}`);
    return value;
  });
}

function decimal(fallback: number, unit: string, meaning: string, least: number, most: number): Setting<number> {
  return setting(fallback, unit, meaning, (input) => {
    const value = Number(input);
    if (!/^\d+(\.\d+)?$/.test(input) || value < least || value > most)
      throw new EnvError(`must be a number from ${least} to ${most}`);
    return value;
  });
}

function oneOf(fallback: string, unit: string, meaning: string, choices: readonly string[]): Setting<string> {
  return setting(fallback, unit, meaning, (input) => {
    if (!choices.includes(input)) throw new EnvError(`must be one of ${choices.join(", ")}`);
    return input;
  });
}

function url(fallback: string, unit: string, meaning: string, protocols: readonly string[]): Setting<string> {
  return setting(fallback, unit, meaning, (input) => {
    if (!URL.canParse(input) || !protocols.includes(new URL(input).protocol))
      throw new EnvError(`must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`);
    return input;
  });
}

function secret(fallback: string, unit: string, meaning: string): Setting<string> {
  return setting(fallback, unit, meaning, (input) => {
    if (input.length < 16) throw new EnvError("must have 16 characters or more");
    return input;
  });
}

function hostName(fallback: string, unit: string, meaning: string): Setting<string> {
  return setting(fallback, unit, meaning, (input) => {
    if (
      isIP(input) === 0 &&
      !/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(input)
    )
      throw new EnvError("must be a host name or an IP address, without scheme and port");
    return input;
  });
}

function proxies(fallback: string, unit: string, meaning: string): Setting<string> {
  const named = ["loopback", "linklocal", "uniquelocal"];
  return setting(fallback, unit, meaning, (input) => {
    for (const entry of input.split(",").map((part) => part.trim())) {
      if (!named.includes(entry) && isIP(entry) === 0 && !ipaddr.isValidCIDR(entry))
        throw new EnvError(`"${entry}" is neither an address, nor a CIDR, nor one of ${named.join(", ")}`);
    }
    return input;
  });
}

function list(fallback: string, unit: string, meaning: string): Setting<string> {
  return setting(fallback, unit, meaning, (input) => {
    if (listed(input).length === 0) throw new EnvError("must name one or more, separated by commas");
    return input;
  });
}

function network(fallback: string, unit: string, meaning: string): Setting<string> {
  return setting(fallback, unit, meaning, (input) => {
    if (!ipaddr.isValidCIDR(input)) throw new EnvError("must be a network such as 10.114.0.0/20");
    return input;
  });
}

function hostAndPort(fallback: string, unit: string, meaning: string): Setting<string> {
  return setting(fallback, unit, meaning, (input) => {
    if (!/^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):[1-9]\d{0,4}$/.test(input)) throw new EnvError("must be host:port");
    return input;
  });
}

function cron(fallback: string, unit: string, meaning: string): Setting<string> {
  return setting(fallback, unit, meaning, (input) => {
    if (!validate(input)) throw new EnvError("must be a cron expression of five fields, or six with seconds in front");
    return input;
  });
}
