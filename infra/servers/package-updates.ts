import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { canBeRoot } from "../process/as-root.ts";
import { APT_GET, INSTALL, isCommand, runApt, type SystemCommand } from "./system-packages.ts";

const run = promisify(execFile);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Touched when all lists have been read anew, by us and by Ubuntu's own updates. */
const UPDATED = "/var/lib/apt/periodic/update-success-stamp";

/** What runs as a server of ours and is reached by strangers: its packages, and services that run the same programs. */
const SERVERS: Partial<Record<SystemCommand, { readonly packages: readonly string[]; readonly units: string[] }>> = {
  "redis-server": { packages: ["redis-server", "redis-tools"], units: ["redis-server.service"] },
  "valkey-server": { packages: ["valkey-server", "valkey-tools"], units: ["valkey-server.service"] },
  mariadbd: { packages: ["mariadb-server-core"], units: ["mariadb.service"] },
  dockerd: { packages: ["docker.io", "containerd", "runc"], units: ["docker.service", "containerd.service"] },
};

/** A package that is installed, and the newer version that apt would install. */
export type OutdatedPackage = { readonly name: string; readonly installed: string; readonly candidate: string };

/** What came of bringing packages up to date; a warning says what is left to do. */
export type Upgrades = { readonly upgraded: readonly string[]; readonly warnings: readonly string[] };

/**
 * Reads the package lists anew when that was last done more than a day ago: a security update is not known
 * otherwise. What failed is not tried again within the hour: without a network, a start takes no longer.
 * Returns why that was not possible, and what follows; undefined when they are new enough.
 * @param stamp file whose time is that of the last reading
 */
export async function updatePackageLists(now: Date, stamp = UPDATED): Promise<string | undefined> {
  if (!(await isCommand("apt-get"))) return undefined;
  const at = await timeOf(stamp);
  if (at !== undefined && now.getTime() - at < DAY_MS) return undefined;
  const since = at === undefined ? "" : ` since ${new Date(at).toISOString().slice(0, 10)}`;
  const consequence = `the package lists have not been updated${since}, so security updates may be missing`;
  if (!(await canBeRoot())) return `${consequence}: run sudo apt-get update`;
  const tried = join(dirname(stamp), "getaredis-tried");
  const triedAt = await timeOf(tried);
  if (triedAt !== undefined && now.getTime() - triedAt < HOUR_MS)
    return `${consequence}: apt-get update failed within the last hour; to see why, run sudo apt-get update`;
  try {
    await runApt(["-euc", UPDATE, "sh", APT_GET, stamp, tried]);
    return undefined;
  } catch (cause) {
    const [reason = "no answer in time"] = /^E: .*$/m.exec((cause as { stderr?: string }).stderr ?? "") ?? [];
    return `${consequence}: apt-get update failed (${reason})`;
  }
}

async function timeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

/**
 * Brings the packages of those commands that are servers of ours up to the newest version that the package lists
 * have. Those that another service of this machine runs as well are left to whoever runs it, with a warning; so
 * are all when this user may not install.
 */
export async function upgradeServers(commands: readonly SystemCommand[]): Promise<Upgrades> {
  // Several parts of a program may need the same command.
  const servers = [...new Set(commands)].flatMap((command) => SERVERS[command] ?? []);
  const upgraded: string[] = [];
  const warnings: string[] = [];
  if (servers.length === 0 || !(await isCommand("apt-cache"))) return { upgraded, warnings };
  const names = servers.flatMap(({ packages }) => packages);
  // One question for all: reading the lists takes apt a second.
  const { stdout } = await run("apt-cache", ["policy", ...names], { env: { ...process.env, LC_ALL: "C" } });
  const allOutdated = outdatedIn(stdout);
  for (const { packages, units } of servers) {
    const outdated = allOutdated.filter(({ name }) => packages.includes(name));
    if (outdated.length === 0) continue;
    const fault = (await hindranceOf(units)) ?? (await upgrade(outdated));
    if (fault === undefined) upgraded.push(...outdated.map(({ name, candidate }) => `${name} ${candidate}`));
    else warnings.push(describeOutdated(outdated, fault));
  }
  return { upgraded, warnings };
}

/** The packages in an answer of `apt-cache policy` that have a newer version than the one that is installed. */
export function outdatedIn(policy: string): OutdatedPackage[] {
  return [...policy.matchAll(/^(\S+):\n +Installed: (\S+)\n +Candidate: (\S+)$/gm)].flatMap(
    ([, name = "", installed = "", candidate = ""]) =>
      installed === "(none)" || candidate === "(none)" || installed === candidate
        ? []
        : [{ name, installed, candidate }],
  );
}

/** Why packages are not ours to upgrade now; undefined when they are. */
async function hindranceOf(units: readonly string[]): Promise<string | undefined> {
  const isActive = await run("systemctl", ["is-active", "--quiet", ...units]).then(
    () => true,
    () => false,
  );
  if (isActive) return `${units.join(" or ")} runs here and may not be ours to restart`;
  return (await canBeRoot()) ? undefined : "this user may not install";
}

async function upgrade(outdated: readonly OutdatedPackage[]): Promise<string | undefined> {
  const names = outdated.map(({ name }) => name).join(" ");
  try {
    await runApt(["-c", INSTALL, "install", `--only-upgrade ${names}`, "", APT_GET]);
    return undefined;
  } catch (cause) {
    const [reason = "see /var/log/apt/term.log"] = /^E: .*$/m.exec((cause as { stderr?: string }).stderr ?? "") ?? [];
    return `apt-get could not upgrade (${reason})`;
  }
}

function describeOutdated(outdated: readonly OutdatedPackage[], fault: string): string {
  const versions = outdated.map(({ name, installed, candidate }) => `${name} is ${installed}, not ${candidate}`);
  const names = outdated.map(({ name }) => name).join(" ");
  return `${versions.join(", ")}: ${fault}. Run sudo apt-get install --only-upgrade ${names}, then start again`;
}

/**
 * Arguments: the path of apt-get.sh, the file to touch when it is done, the file to touch before. Without a
 * network this ends soon; a list that cannot be read is a failure, which it is not for apt-get by itself.
 */
const UPDATE = `
mkdir -p "$(dirname "$2")"
touch "$3"
timeout 60 sh "$1" update --quiet -o APT::Update::Error-Mode=any -o Acquire::Retries=0 -o Acquire::http::Timeout=10
rm "$3"
touch "$2"
`;
