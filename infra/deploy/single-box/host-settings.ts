import { loadSettings } from "../../../apps/core/settings/load.ts";
import { messageOf } from "../../../apps/lib/errors.ts";
import { BOX_NAME } from "./box-name.ts";

/** Prints the settings of the scripts that every host runs, one a line, for systemd's EnvironmentFile. */
try {
  const { service, hosts, instances } = loadSettings(process.env, ["MYSQL_URL", "REDIS_URL", "PUBLIC_HOST"]);
  const redis = new URL(service.redisUrl);
  const lines = {
    HOST_NAME: BOX_NAME,
    HEARTBEAT_REDIS_HOST: redis.hostname,
    HEARTBEAT_REDIS_PORT: redis.port || "6379",
    HEARTBEAT_SECONDS: hosts.heartbeatSeconds,
    HEARTBEAT_TTL_SECONDS: hosts.heartbeatTtlSeconds,
    CONNECTIONS_PER_ADDRESS: instances.connectionsPerAddress,
    LOGIN_SECONDS: instances.loginSeconds,
    LOGIN_KB: instances.loginKb,
    LOGINS_PENDING: instances.loginsPending,
    TRANSFER_BYTES_PER_SECOND: instances.transferBytesPerSecond,
    TRANSFER_BYTES: instances.transferBytes,
  };
  for (const [name, value] of Object.entries(lines)) console.log(`${name}=${value}`);
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
