import { optional, setting } from "./declaration.ts";
import { hostName, oneOf, proxies, duration, secret, text, url, whole } from "./kinds.ts";

/** The service itself: where it listens, the servers it uses, its secrets. */
export const service = {
  host: setting(
    "HOST",
    text,
    "127.0.0.1",
    "Address the API listens on; instances of a single box are published on it too. 0.0.0.0 opens both to the network.",
  ),
  port: setting("PORT", whole(0, 65_535), 8080, "Port the API listens on; 0 picks a free one."),
  publicHost: optional(
    "PUBLIC_HOST",
    hostName,
    "Name or address handed to users for their instances. " +
      "Default: HOST, or this machine's first outward address when HOST is a wildcard.",
  ),
  trustProxy: optional(
    "TRUST_PROXY",
    proxies,
    "Proxies whose X-Forwarded-For is believed: " +
      "comma-separated addresses, CIDRs, or loopback, linklocal, uniquelocal. Default: none.",
  ),
  mysqlUrl: optional(
    "MYSQL_URL",
    url("mysql:"),
    "MySQL 8 or MariaDB 10.6+ with the database's name, mysql://user:password@host:port/name. " +
      "Default: a private MariaDB.",
  ),
  redisUrl: optional(
    "REDIS_URL",
    url("redis:"),
    "Redis for liveness and rate limits, redis://user:password@host:port; its database 0 is used. " +
      "Default: a private Redis.",
  ),
  redisLoginMs: setting(
    "REDIS_LOGIN_SECONDS",
    duration(1, 3600),
    5,
    "Time that a connection to this Redis gets to log in, before it is ended; where its user `default` is off, " +
      "as in those that we set up.",
  ),
  dockerHost: optional(
    "DOCKER_HOST",
    url("unix:", "tcp:"),
    "Docker Engine of the single box, unix:///path or tcp://host:port. " +
      "Default: the default socket's engine where it answers, else a private one.",
  ),
  stateDir: setting(
    "STATE_DIR",
    text,
    ".getaredis",
    "Folder of `npm start` for its private servers, logs and secrets.",
  ),
  opsToken: optional(
    "OPS_TOKEN",
    secret,
    "Bearer token of the operator, 16 characters or more. Default: made at the first `npm start`.",
  ),
  serverSecret: optional(
    "SERVER_SECRET",
    secret,
    "Secret that seals answers kept for idempotent retries, and that passwords are derived from: of hosts' " +
      "heartbeats, and of the user by which instances are watched for misuse; 16 characters or more. Default: made at the first `npm start`.",
  ),
  logLevel: setting(
    "LOG_LEVEL",
    oneOf(["trace", "debug", "info", "warn", "error", "fatal"]),
    "info",
    "Least severe log line written.",
  ),
  rateLimitPerMinute: setting(
    "RATE_LIMIT_PER_MINUTE",
    whole(1, 1_000_000, "requests"),
    300,
    "Requests a minute an address may make; the operator ten times as many.",
  ),
  shutdownMs: setting(
    "SHUTDOWN_SECONDS",
    duration(1, 600),
    35,
    "Time running requests and jobs get when the process is told to stop.",
  ),
};
