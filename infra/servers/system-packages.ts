import { execFile } from "node:child_process";
import { access, constants, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { asRoot, canBeRoot } from "../process/as-root.ts";
import { withSystemFolders } from "../process/system-folders.ts";

const run = promisify(execFile);
/** `sh APT_GET …` is apt-get that waits while another program holds one of its locks. */
export const APT_GET = fileURLToPath(new URL("apt-get.sh", import.meta.url));

interface Provider {
  /** Packages of Debian and Ubuntu that bring the command; the first one that the release has is taken. */
  packages: string[];
  /** Brings no command: it is there when its package is installed. */
  isLibrary?: true;
  /** Services that the package would start now and at each boot. */
  units: string[];
}

const PROVIDERS = {
  // The server alone: mariadb-server would set up a system service and a database of its own.
  mariadbd: { packages: ["mariadb-server-core"], units: [] },
  "mariadb-install-db": { packages: ["mariadb-server-core"], units: [] },
  // What mariadb-install-db calls, though its own package does not ask for it.
  my_print_defaults: { packages: ["mariadb-client-core"], units: [] },
  "redis-server": { packages: ["redis-server"], units: ["redis-server.service"] },
  "valkey-server": { packages: ["valkey-server"], units: ["valkey-server.service"] },
  "redis-cli": { packages: ["redis-tools"], units: [] },
  dockerd: { packages: ["docker.io"], units: ["docker.service", "docker.socket", "containerd.service"] },
  // Newer releases have the client apart from the engine.
  docker: { packages: ["docker-cli", "docker.io"], units: ["docker.service", "docker.socket", "containerd.service"] },
  haproxy: { packages: ["haproxy"], units: ["haproxy.service"] },
  nft: { packages: ["nftables"], units: [] },
  iptables: { packages: ["iptables"], units: [] },
  ip: { packages: ["iproute2"], units: [] },
  // First process of lab machines; no service of this machine's comes of installing it.
  systemctl: { packages: ["systemd"], units: [] },
  "dbus-daemon": { packages: ["dbus"], units: [] },
  // The server and its standard modules.
  nginx: { packages: ["nginx"], units: ["nginx.service"] },
  "stream module of nginx": { packages: ["libnginx-mod-stream"], units: [], isLibrary: true },
  curl: { packages: ["curl"], units: [] },
  openssl: { packages: ["openssl"], units: [] },
  bash: { packages: ["bash"], units: [] },
  "chromium-headless-shell": { packages: ["chromium-headless-shell"], units: [] },
  gcc: { packages: ["gcc"], units: [] },
  "headers of C": { packages: ["libc6-dev"], units: [], isLibrary: true },
  "headers of OpenSSL": { packages: ["libssl-dev"], units: [], isLibrary: true },
  go: { packages: ["golang-go"], units: [] },
  php: { packages: ["php-cli"], units: [] },
  ruby: { packages: ["ruby"], units: [] },
  "redis for C": { packages: ["libhiredis-dev"], units: [], isLibrary: true },
  "redis for Go": { packages: ["golang-github-gomodule-redigo-dev"], units: [], isLibrary: true },
  "the other redis for Go": { packages: ["golang-gopkg-redis.v5-dev"], units: [], isLibrary: true },
  "redis for PHP": { packages: ["php-predis"], units: [], isLibrary: true },
  "redis extension of PHP": { packages: ["php-redis"], units: [], isLibrary: true },
  "redis for Python": { packages: ["python3-redis"], units: [], isLibrary: true },
  "redis for Ruby": { packages: ["ruby-redis"], units: [], isLibrary: true },
} satisfies Record<string, Provider>;

/** A command, or a library, that we know how to install. */
export type SystemCommand = keyof typeof PROVIDERS;

/**
 * Installs those commands that are missing by apt-get, and returns the names of the packages it
 * installed. No service that comes with them is started or stays enabled. While another program uses
 * apt it waits, and says so. Throws, with the command line to run, when we may not install or apt-get fails.
 */
export async function ensureSystemPackages(commands: readonly SystemCommand[]): Promise<string[]> {
  const missing = await missingCommands(commands);
  if (missing.length === 0) return [];
  if (!(await isCommand("apt-get")))
    throw new Error(`please install these commands, then start again: ${missing.join(", ")}`);

  const packages = await packagesFor(missing);
  const line = `apt-get install --yes --no-install-recommends ${packages.join(" ")}`;
  if (!(await canBeRoot())) {
    throw new Error(
      `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing, and this user may not install. ` +
        `Run this once, then start again:\n  sudo ${line}`,
    );
  }
  // A service that ran before is not ours to switch off.
  const hadContainerd = await isCommand("containerd");
  const hadDockerd = await isCommand("dockerd");
  const units = missing
    .flatMap((command): string[] => PROVIDERS[command].units)
    .filter(
      (unit) => !(hadContainerd && unit.startsWith("containerd.")) && !(hadDockerd && unit.startsWith("docker.")),
    );
  try {
    await runApt(["-c", INSTALL, "install", packages.join(" "), [...new Set(units)].join(" "), APT_GET]);
  } catch (cause) {
    const said = ((cause as { stderr?: string }).stderr ?? "").trim().split("\n").slice(-8).join("\n");
    throw new Error(
      `apt-get could not install ${packages.join(", ")}:\n${said}\nTo see all of it, run:\n  sudo ${line}`,
      { cause },
    );
  }
  const still = await missingCommands(commands);
  if (still.length > 0) throw new Error(`${packages.join(", ")} did not bring ${still.join(", ")}`);
  return packages;
}

/**
 * Runs sh as root with arguments that lead to apt-get.sh, and says at once when that waits for another program.
 * Rejects with `stderr` in the error when it fails.
 */
export async function runApt(args: readonly string[]): Promise<void> {
  const [command, all] = await asRoot("sh", [...args]);
  const running = run(command, all, { maxBuffer: 64 * 1024 * 1024 });
  running.child.stderr?.on("data", (chunk: string) => {
    for (const [line] of chunk.matchAll(/^waiting for .*$/gm)) console.error(`… ${line}`);
  });
  await running;
}

/**
 * A script of sh that installs. Arguments: the packages, the units, the path of apt-get.sh. While policy-rc.d
 * says no, packages start no services; units are disabled afterwards for the next boot. An existing policy is
 * somebody else's and stays, one of ours left by a killed run is taken for ours again.
 */
export const INSTALL = `
set -u
policy=/usr/sbin/policy-rc.d
mark="# getaredis: no services while we install"
if [ ! -e "$policy" ] || grep -qF "$mark" "$policy"; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' INT TERM HUP
  printf '#!/bin/sh\\n%s\\nexit 101\\n' "$mark" >"$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt_get=$3
install() {
  # shellcheck disable=SC2086 # a list of names
  sh "$apt_get" install --yes --quiet --no-install-recommends $1
}
# The lists may be missing or too old: that is only known when the first try fails.
install "$1" || { sh "$apt_get" update --quiet && install "$1"; } || exit 1
if command -v systemctl >/dev/null; then
  for unit in $2; do
    systemctl disable --quiet "$unit" >/dev/null 2>&1 || true
  done
fi
`;

async function packagesFor(commands: readonly SystemCommand[]): Promise<string[]> {
  const chosen = commands.map(async (command) => {
    const { packages }: Provider = PROVIDERS[command];
    for (const name of packages.slice(0, -1)) if (await isAvailable(name)) return name;
    return packages.at(-1) ?? command;
  });
  return [...new Set(await Promise.all(chosen))];
}

async function isAvailable(name: string): Promise<boolean> {
  const { stdout } = await run("apt-cache", ["policy", name]);
  return /Candidate: (?!\(none\))/.test(stdout);
}

async function missingCommands(commands: readonly SystemCommand[]): Promise<SystemCommand[]> {
  const checked = await Promise.all(
    commands.map(async (command) => {
      const { isLibrary, packages }: Provider = PROVIDERS[command];
      return { command, isThere: await (isLibrary ? isInstalled(packages) : isCommand(command)) };
    }),
  );
  return checked.filter(({ isThere }) => !isThere).map(({ command }) => command);
}

/** Whether one of these packages is installed, for whatever architecture. */
async function isInstalled(packages: readonly string[]): Promise<boolean> {
  const files = await readdir("/var/lib/dpkg/info").catch(() => []);
  return files.some((file) => {
    const [, name = ""] = /^([^:]+)(?::\w+)?\.list$/.exec(file) ?? [];
    return packages.includes(name);
  });
}

/** Whether a command is installed. */
export async function isCommand(name: string): Promise<boolean> {
  for (const folder of withSystemFolders(process.env.PATH).split(":"))
    if (await isAccessible(join(folder, name), constants.X_OK)) return true;
  return false;
}

async function isAccessible(path: string, mode?: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
