import { createMysqlStore } from "../../../apps/adapters/mysql/index.ts";
import { registerHost } from "../../../apps/core/fleet/register-host.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { messageOf } from "../../../apps/lib/errors.ts";
import { boxCapacity } from "./box-capacity.ts";
import { BOX_NAME } from "./box-name.ts";

/** Registers this machine as the one host, or updates it by changed settings. */
try {
  const settings = loadSettings(process.env, ["MYSQL_URL", "PUBLIC_HOST"]);
  const { service, hosts } = settings;
  const store = createMysqlStore(service.mysqlUrl);
  try {
    await registerHost(
      { store, clock: () => new Date() },
      {
        name: BOX_NAME,
        engineUrl: "unix:///run/docker.sock",
        publicHost: service.publicHost,
        checkHost: "127.0.0.1",
        bindAddress: "0.0.0.0",
        capacity: boxCapacity(settings),
        basePort: hosts.basePort,
      },
    );
  } finally {
    await store.disconnect();
  }
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
