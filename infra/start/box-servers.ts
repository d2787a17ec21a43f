import { join } from "node:path";
import type { Config } from "../../apps/core/settings/config.ts";
import { engineElsewhere } from "./addresses.ts";
import { pingEngine } from "../servers/docker-client.ts";
import { clearEngine, startDockerEngine } from "../servers/docker-engine.ts";
import { keepServer } from "../process/kept-server.ts";
import { pingMysql, startMariadb } from "../servers/mariadb.ts";
import { messageOf } from "../../apps/lib/errors.ts";
import { becomeOnlyEngineOwner } from "./only-run.ts";
import { pingRedis, startRedis } from "../servers/redis.ts";
import { isLocalImage } from "../servers/redis-image.ts";
import type { Startup } from "../process/startup.ts";
import type { SystemCommand } from "../servers/system-packages.ts";

/** The commands that single-box mode calls, given the engine that is there already. */
export function neededCommands(config: Config, foundEngine: string | undefined): SystemCommand[] {
  return [
    "bash",
    "docker",
    ...(config.MYSQL_URL === "" ? (["mariadbd", "mariadb-install-db", "my_print_defaults"] as const) : []),
    ...(config.REDIS_URL === "" || isLocalImage(config.INSTANCE_IMAGE) ? (["redis-server"] as const) : []),
    ...(foundEngine === undefined ? (["dockerd", "iptables"] as const) : []),
    ...(engineElsewhere(foundEngine ?? "unix:") === undefined ? (["nft"] as const) : []),
  ];
}

/** Asks the servers that the settings name, before anything of our own is started. Throws, naming the setting, when one does not answer. */
export async function checkConfigured(startup: Startup, { MYSQL_URL, REDIS_URL, DOCKER_HOST }: Config): Promise<void> {
  const asked: [setting: string, url: string, ask: (url: string) => Promise<void>, instead: string][] = [
    ["MYSQL_URL", MYSQL_URL, pingMysql, "a private MariaDB"],
    ["REDIS_URL", REDIS_URL, pingRedis, "a private Redis"],
    ["DOCKER_HOST", DOCKER_HOST, pingEngine, "the default socket's engine or a private one"],
  ];
  for (const [setting, url, ask, instead] of asked) {
    if (url === "") continue;
    await startup.inOrder(`server of ${setting}`, () =>
      ask(url).catch((cause: unknown) => {
        throw new Error(
          `${setting} leads to a server that does not answer (${messageOf(cause)}): start it, mend the setting, or leave it out for ${instead}`,
          { cause },
        );
      }),
    );
  }
}

/** Address of the configured MySQL, else of a private one that is started now. */
export async function haveMysql(startup: Startup, config: Config, stateDir: string): Promise<string> {
  if (config.MYSQL_URL !== "") return config.MYSQL_URL;
  return startup.inOrder("private MariaDB", () =>
    ours(startup, "MariaDB", (url) => startMariadb({ dir: join(stateDir, "mariadb"), ...portOf(url) })),
  );
}

/** Address of the configured Redis, else of a private one that is started now. */
export async function haveRedis(startup: Startup, config: Config, stateDir: string): Promise<string> {
  if (config.REDIS_URL !== "") return config.REDIS_URL;
  return startup.inOrder("private Redis", () =>
    ours(startup, "Redis", (url) => startRedis({ dir: join(stateDir, "redis"), ...portOf(url) })),
  );
}

/** Address of the engine that was found, else of a private one that is started now, and cleared of instances in the end. */
export async function haveEngine(startup: Startup, found: string | undefined, stateDir: string): Promise<string> {
  if (found !== undefined) return found;
  return startup.inOrder("private Docker Engine", async () => {
    await becomeOnlyEngineOwner();
    const url = await ours(startup, "the Docker Engine", () => startDockerEngine({ dir: join(stateDir, "docker") }));
    startup.undoLater(() => clearEngine(url));
    return url;
  });
}

/** Starts a server of ours, keeps it running and notes it, to stop it in the end; returns its address. */
async function ours(startup: Startup, name: string, start: Parameters<typeof keepServer>[1]): Promise<string> {
  const server = await keepServer(name, start, (text) => console.log(`! ${text}`));
  startup.stopLater(server);
  return server.url;
}

function portOf(url: string | undefined): { port?: number } {
  return url === undefined ? {} : { port: Number(new URL(url).port) };
}
