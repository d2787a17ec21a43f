import { join } from "node:path";
import type { Settings } from "../../apps/core/settings/settings.ts";
import { engineElsewhere } from "./addresses.ts";
import { pingEngine } from "../servers/docker-client.ts";
import { clearEngine, startDockerEngine } from "../servers/docker-engine.ts";
import { keepProcess } from "../process/kept-process.ts";
import { untilGone } from "../process/processes.ts";
import { stepsUntil } from "../process/progress.ts";
import type { ServerProcess } from "../process/server-process.ts";
import { pingMysql, startMariadb } from "../servers/mariadb.ts";
import { messageOf } from "../../apps/lib/errors.ts";
import type { Lifecycle } from "../../apps/lib/lifecycle.ts";
import { becomeOnlyEngineOwner } from "./only-run.ts";
import { pingRedis, startRedis } from "../servers/redis.ts";
import type { SystemCommand } from "../servers/system-packages.ts";

/** Longer than any of our servers takes, SIGKILL at the end of its grace included. */
const SERVER_STOP_MS = 90_000;
const CLEAR_MS = 60_000;

/**
 * The commands that single-box mode calls, given the engine that is there already and the server that its image is
 * made of, if it makes one.
 */
export function neededCommands(
  { service, edge }: Settings,
  foundEngine: string | undefined,
  imageServer: SystemCommand | undefined,
): SystemCommand[] {
  return [
    "bash",
    "docker",
    ...(service.mysqlUrl === undefined ? (["mariadbd", "mariadb-install-db", "my_print_defaults"] as const) : []),
    ...(service.redisUrl === undefined ? (["redis-server"] as const) : []),
    ...(imageServer === undefined ? [] : [imageServer]),
    ...(edge.domain === undefined ? [] : (["haproxy"] as const)),
    ...(foundEngine === undefined ? (["dockerd", "iptables"] as const) : []),
    ...(engineElsewhere(foundEngine ?? "unix:") === undefined ? (["nft", "ip"] as const) : []),
  ];
}

/**
 * Asks the servers that the settings name, before anything of our own is started. Throws, naming the setting, when
 * one does not answer.
 */
export async function checkConfigured({ service }: Settings, ending: AbortSignal): Promise<void> {
  const asked: [setting: string, url: string | undefined, ask: (url: string) => Promise<void>, instead: string][] = [
    ["MYSQL_URL", service.mysqlUrl, pingMysql, "a private MariaDB"],
    ["REDIS_URL", service.redisUrl, pingRedis, "a private Redis"],
    ["DOCKER_HOST", service.dockerHost, pingEngine, "the default socket's engine or a private one"],
  ];
  const step = stepsUntil(ending);
  for (const [setting, url, ask, instead] of asked) {
    if (url === undefined) continue;
    await step(`server of ${setting}`, () =>
      ask(url).catch((cause: unknown) => {
        throw new Error(
          `${setting} leads to a server that does not answer (${messageOf(cause)}): start it, correct the setting, ` +
            `or leave it out for ${instead}`,
          { cause },
        );
      }),
    );
  }
}

/** Address of the configured MySQL, else of a private one that is started now. */
export async function ensureMysql(life: Lifecycle, configured: string | undefined, stateDir: string): Promise<string> {
  if (configured !== undefined) return configured;
  const start = (url?: string) => startMariadb({ dir: join(stateDir, "mariadb"), ...portOf(url) });
  return stepsUntil(life.ending)("private MariaDB", () => keepServer(life, "MariaDB", start));
}

/** Address of the configured Redis, else of a private one that is started now. */
export async function ensureRedis(life: Lifecycle, configured: string | undefined, stateDir: string): Promise<string> {
  if (configured !== undefined) return configured;
  const start = (url?: string) => startRedis({ dir: join(stateDir, "redis"), ...portOf(url) });
  return stepsUntil(life.ending)("private Redis", () => keepServer(life, "Redis", start));
}

/**
 * Address of the engine that was found, else of a private one that is started now, and cleared of instances in the
 * end.
 */
export async function ensureEngine(life: Lifecycle, found: string | undefined, stateDir: string): Promise<string> {
  if (found !== undefined) return found;
  const start = () => startDockerEngine({ dir: join(stateDir, "docker") });
  return stepsUntil(life.ending)("private Docker Engine", async () => {
    await becomeOnlyEngineOwner();
    const url = await keepServer(life, "the Docker Engine", start);
    life.undoLater("instances", () => clearEngine(url), { withinMs: CLEAR_MS });
    return url;
  });
}

/**
 * Starts a server of ours, keeps it running at the same address, and stops it in the end; returns its address.
 * @param start gets the address to come back to, undefined the first time
 */
async function keepServer(
  { undoLater }: Lifecycle,
  name: string,
  start: (url?: string) => Promise<ServerProcess & { url: string }>,
): Promise<string> {
  let url: string | undefined;
  const run = async () => {
    const server = await start(url);
    url = server.url;
    return { ended: untilGone(server.pid), stop: server.stop, kill: server.kill };
  };
  const server = await keepProcess(name, run, { say: (text) => console.log(`! ${text}`), firstBackoffMs: 0 });
  undoLater(name, server.stop, { withinMs: SERVER_STOP_MS, kill: server.kill });
  return url ?? "";
}

function portOf(url: string | undefined): { port?: number } {
  return url === undefined ? {} : { port: Number(new URL(url).port) };
}
