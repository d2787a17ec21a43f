import { loadSettings } from "../../../apps/core/settings/load.ts";
import { messageOf } from "../../../apps/lib/errors.ts";
import { boxCapacity } from "./box-capacity.ts";
import { BOX_NAME } from "./box-name.ts";

/**
 * Prints the settings of the scripts that every host runs, one a line, for systemd's EnvironmentFile, and what the
 * set-up needs of them besides: how many instances there may be, and at which ports.
 */
try {
  const settings = loadSettings(process.env, ["MYSQL_URL", "REDIS_URL", "PUBLIC_HOST"]);
  const { service, hosts, instances, edge } = settings;
  const capacity = boxCapacity(settings);
  const redis = new URL(service.redisUrl);
  const lines = {
    HOST_NAME: BOX_NAME,
    INSTANCES: capacity,
    INSTANCE_PORTS: `${hosts.basePort}-${hosts.basePort + capacity - 1}`,
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
    // The gateway is this machine, whose own connections no rule counts.
    ...(edge.domain !== undefined && { GATEWAY_NETWORK: "127.0.0.1/32", INSTANCES_OPEN_TO: edge.instancesOpenTo }),
  };
  for (const [name, value] of Object.entries(lines)) console.log(`${name}=${value}`);
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
