import { writeFile } from "node:fs/promises";
import type { Settings } from "../../apps/core/settings/settings.ts";
import type { Lifecycle } from "../../apps/lib/lifecycle.ts";
import { hostIn, inUrl } from "../../apps/lib/url-host.ts";
import { asRoot } from "../process/as-root.ts";
import { nodeFlags } from "../process/node-flags.ts";
import { keepProgram, untilReady } from "../process/kept-program.ts";
import type { Places } from "../process/kept-program.ts";
import { projectPath } from "../process/project-path.ts";
import { grantHeartbeat, grantPortMap } from "../servers/redis.ts";
import { engineElsewhere } from "./addresses.ts";
import { gatewaySettings, untilGatewayCarries, type BoxEdge } from "./box-edge.ts";

/** The script that bounds what instances send. */
export const TRANSFER = projectPath("infra/host/transfer.sh");
/** The script that balances ports over containers. */
export const PORT_MAP = projectPath("infra/host/port-map.sh");
const SCRIPT_GRACE_MS = 2_000;
/** For what comes after the grace: SIGKILL, and the wait for it. */
const KILL_MS = 15_000;

/** What the programs of a single box are started with. */
export interface Box {
  /** Name of this machine among the hosts. */
  name: string;
  publicIp: string;
  port: number;
  mysqlUrl: string;
  redisUrl: string;
  engineUrl: string;
  image: string;
  opsToken: string;
  serverSecret: string;
  /** Whether what instances send is bounded: here, and open to more than this machine. */
  boundsTransfer: boolean;
  /** Where port-map.sh keeps what it has loaded; its password is beside it. */
  portMapDir: string;
  edge: BoxEdge | undefined;
}

/**
 * Starts heartbeat, expiry, janitor, gateway, jobs and API, keeps them running until the end, and resolves when the API reports
 * that it can hand out. Throws when it does not.
 */
export async function startPrograms(
  { ending, undoLater }: Lifecycle,
  settings: Settings,
  box: Box,
  places: Places & { readonly compiledDir: string },
): Promise<void> {
  const keep = async (
    name: string,
    command: string,
    args: string[],
    stopGraceMs: number,
    env: () => Promise<NodeJS.ProcessEnv> | NodeJS.ProcessEnv,
  ) => {
    const program = await keepProgram({ name, command, args, env, stopGraceMs }, places, (text) =>
      console.log(`! ${text}`),
    );
    undoLater(name, program.stop, { withinMs: stopGraceMs + KILL_MS, kill: program.kill });
    return program;
  };
  const graceMs = settings.service.shutdownMs + 5_000;
  await keep("heartbeat", "bash", [projectPath("infra/host/heartbeat.sh")], SCRIPT_GRACE_MS, async () => ({
    ...heartbeatSettings(settings.hosts, box),
    // At each start: a Redis that was restarted has lost its users.
    HEARTBEAT_REDIS_PASSWORD: await grantHeartbeat(box.redisUrl, box.name),
  }));
  if (box.boundsTransfer) {
    const [command, args] = await asRoot("env", [
      ...transferSettings(settings.instances, box),
      "bash",
      TRANSFER,
      "watch",
    ]);
    await keep("transfer", command, args, SCRIPT_GRACE_MS, () => ({ PATH: process.env.PATH }));
  }
  await keep("expire", "bash", [projectPath("infra/host/expire.sh")], SCRIPT_GRACE_MS, () => scriptSettings(box));
  if (engineElsewhere(box.engineUrl) === undefined) {
    // By env: sudo lets no environment through.
    const script = ["bash", projectPath("infra/host/janitor.sh")];
    const [command, args] = await asRoot("env", [`DOCKER_HOST=${box.engineUrl}`, ...script]);
    await keep("janitor", command, args, SCRIPT_GRACE_MS, () => scriptSettings(box));
    const passwordFile = `${box.portMapDir}-password`;
    const [balance, words] = await asRoot("env", [...portMapSettings(box, passwordFile), "bash", PORT_MAP, "watch"]);
    await keep("port map", balance, words, SCRIPT_GRACE_MS, async () => {
      // In a file: arguments can be read by everybody on the machine, and sudo lets no environment through.
      await writeFile(passwordFile, await grantPortMap(box.redisUrl, box.name), { mode: 0o600 });
      return { PATH: process.env.PATH };
    });
  }
  const keepNode = (name: "gateway" | "jobs" | "api", settingsOf: (box: Box) => NodeJS.ProcessEnv) =>
    keep(name, process.execPath, [...nodeFlags, projectPath(`apps/${name}/main.ts`)], graceMs, () => ({
      // What was compiled by the last run is loaded by the next one.
      NODE_COMPILE_CACHE: places.compiledDir,
      ...settingsOf(box),
    }));
  if (box.edge) {
    const { edge } = box;
    const gateway = await keepNode("gateway", () => gatewaySettings(edge, box));
    await untilGatewayCarries(box.redisUrl, gateway, ending);
  }
  await keepNode("jobs", jobsSettings);
  const api = await keepNode("api", apiSettings);
  await untilReady(`http://${inUrl(listenedOn(settings.service.host))}:${box.port}/readyz`, api, ending);
}

/** The environment of heartbeat.sh, but for the password. */
export function heartbeatSettings(
  hosts: Pick<Settings["hosts"], "heartbeatSeconds" | "heartbeatTtlSeconds">,
  box: Box,
): NodeJS.ProcessEnv {
  return {
    ...scriptSettings(box),
    HOST_NAME: box.name,
    PUBLIC_IP: box.publicIp,
    ...redisSettings(box),
    HEARTBEAT_SECONDS: String(hosts.heartbeatSeconds),
    HEARTBEAT_TTL_SECONDS: String(hosts.heartbeatTtlSeconds),
  };
}

/** The settings of port-map.sh, as `env` takes them. */
function portMapSettings(box: Box, passwordFile: string): string[] {
  const { HEARTBEAT_REDIS_HOST: host = "", HEARTBEAT_REDIS_PORT: port = "" } = redisSettings(box);
  return [
    `PORT_MAP_DIR=${box.portMapDir}`,
    `HOST_NAME=${box.name}`,
    `HEARTBEAT_REDIS_HOST=${host}`,
    `HEARTBEAT_REDIS_PORT=${port}`,
    `HEARTBEAT_REDIS_USER=port-map-${box.name}`,
    `HEARTBEAT_REDIS_PASSWORD_FILE=${passwordFile}`,
  ];
}

/** The settings of transfer.sh, as `env` takes them: sudo lets no environment through. */
function transferSettings(instances: Settings["instances"], { edge }: Pick<Box, "edge">): string[] {
  const { transferBytesPerSecond, transferBytes } = instances;
  return [
    `TRANSFER_BYTES_PER_SECOND=${transferBytesPerSecond}`,
    `TRANSFER_BYTES=${transferBytes}`,
    // The gateway is this machine.
    ...(edge === undefined ? [] : ["GATEWAY_NETWORK=127.0.0.1/32"]),
  ];
}

function redisSettings({ redisUrl }: Box): NodeJS.ProcessEnv {
  return {
    HEARTBEAT_REDIS_HOST: hostIn(redisUrl),
    HEARTBEAT_REDIS_PORT: new URL(redisUrl).port || "6379",
  };
}

function scriptSettings({ engineUrl }: Box): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, DOCKER_HOST: engineUrl };
}

/** The environment of the jobs, which need the server's secret to watch for misuse, and not the operator's token. */
export function jobsSettings({
  mysqlUrl,
  redisUrl,
  engineUrl,
  image,
  serverSecret,
  boundsTransfer,
}: Box): NodeJS.ProcessEnv {
  return {
    ...process.env,
    MYSQL_URL: mysqlUrl,
    REDIS_URL: redisUrl,
    DOCKER_HOST: engineUrl,
    INSTANCE_IMAGE: image,
    // Holders are told of bounds that hold, and of no others.
    ...(!boundsTransfer && { INSTANCE_TRANSFER_MB: "0" }),
    OPS_TOKEN: undefined,
    SERVER_SECRET: serverSecret,
  };
}

function apiSettings(box: Box): NodeJS.ProcessEnv {
  return { ...jobsSettings(box), PORT: String(box.port), OPS_TOKEN: box.opsToken };
}

function listenedOn(host: string): string {
  return host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
}
