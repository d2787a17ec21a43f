import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { REDIS_USERNAME, redisService } from "../../apps/core/services/redis.ts";
import { instanceLimits } from "../../apps/core/settings/instances.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { consoleCommands, type ConsoleCommand, type DocumentedCommand } from "./data-set.ts";

/** An answer of COMMAND INFO to a command: name and number of words, and its subcommands in the end. */
type CommandInfo = readonly [name: string, arity: number, ...more: unknown[], subcommands: readonly CommandInfo[]];

const ASKER = "asker";
const RETRY_MS = 20;

/**
 * What this machine's redis-server tells of the commands that owners may run: it is started with the arguments of an
 * instance, and asked by a user of our own.
 */
export async function askCommands(): Promise<{
  readonly version: string;
  readonly commands: Readonly<Record<string, ConsoleCommand>>;
}> {
  const folder = await mkdtemp(join(tmpdir(), "redis-commands-"));
  const path = join(folder, "socket");
  const server = spawn("redis-server", [...ownersArguments(), ...askersArguments(folder, path)], { stdio: "ignore" });
  const exit = once(server, "exit");
  // In RESP3, maps come as such.
  const redis = createClient({
    RESP: 3,
    username: ASKER,
    password: "any",
    socket: { path, tls: false, reconnectStrategy: () => RETRY_MS },
  });
  // Until it listens.
  redis.on("error", () => undefined);
  try {
    const ended = exit.then(() => Promise.reject(new Error("redis-server ended by itself")));
    await Promise.race([redis.connect(), ended]);
    const version = /^redis_version:(\S+)/m.exec(await redis.info("server"))?.[1] ?? "";
    const docs = await redis.sendCommand<Record<string, DocumentedCommand>>(["COMMAND", "DOCS"]);
    const infos = await redis.sendCommand<CommandInfo[]>(["COMMAND", "INFO", ...Object.keys(docs)]);
    const allowed = new Set<string>();
    for (const [name, arity] of infos.flatMap(subcommandsOf)) {
      const words = name.split("|");
      const more = Array<string>(Math.max(0, Math.abs(arity) - words.length)).fill("1");
      const verdict = await redis.sendCommand<string>(["ACL", "DRYRUN", REDIS_USERNAME, ...words, ...more]);
      if (verdict === "OK") allowed.add(name);
    }
    return { version, commands: consoleCommands(docs, (name) => allowed.has(name)) };
  } finally {
    redis.destroy();
    server.kill();
    await exit;
    await rm(folder, { recursive: true, force: true });
  }
}

/** The command itself where it has none. */
function subcommandsOf(info: CommandInfo): readonly CommandInfo[] {
  const subcommands = info.at(-1) as readonly CommandInfo[];
  return subcommands.length > 0 ? subcommands : [info];
}

/** Those by which an instance is started, with its owner's rights among them. */
function ownersArguments(): readonly string[] {
  const { instances } = loadSettings({ INSTANCE_IMAGE: "any" }, ["INSTANCE_IMAGE"]);
  const { Cmd } = redisService(instanceLimits(instances)).containerOf({
    id: "any",
    deployment: "any",
    bindAddress: "127.0.0.1",
    port: 1,
    passwordHash: randomBytes(32),
    watchHash: randomBytes(32),
    notAfter: new Date(0),
  });
  // Its folder is one of the container.
  return Cmd.filter((word, at) => word !== "--dir" && Cmd[at - 1] !== "--dir");
}

function askersArguments(folder: string, path: string): readonly string[] {
  return ["--port", "0", "--unixsocket", path, "--dir", folder, "--user", ASKER, "on", "nopass", "+@all", "~*"];
}
