import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import Docker from "dockerode";
import { labels } from "../../apps/core/domain/container-spec.ts";
import { asRoot } from "./as-root.ts";
import { commandLineOf, endProcess, findProcesses } from "./processes.ts";
import { startServerProcess } from "./server-process.ts";
import type { ServerProcess } from "./server-process.ts";

const run = promisify(execFile);
const LONGEST_SOCKET_PATH = 107;
/** Longer than dockerd's own 15 s for stubborn containers. */
const STOP_GRACE_MS = 30_000;
const DEFAULT_SOCKET = "/var/run/docker.sock";

export interface DockerEngine extends ServerProcess {
  /** `unix:///…`, as DOCKER_HOST takes it. */
  url: string;
}

/**
 * Starts a Docker Engine of our own whose images, containers and sockets are all under `dir` (the
 * sockets under the system's tmp folder when `dir` is too long for one). An engine that an earlier,
 * killed run left behind there is taken over with its containers. Needs root or passwordless sudo;
 * throws with the end of dockerd's log when it does not come up.
 */
export async function startDockerEngine({ dir }: { dir: string }): Promise<DockerEngine> {
  const root = resolve(dir);
  await mkdir(root, { recursive: true, mode: 0o711 });
  const runDir = await runDirFor(root);
  const socket = join(runDir, "docker.sock");
  const url = `unix://${socket}`;
  const dockerdArgs = [...dockerdArguments({ dataDir: join(root, "data"), runDir, socket })];
  // dockerd runs as root; the socket has to be ours when we are somebody else.
  if (process.getuid?.() !== 0) dockerdArgs.push("--group", String(process.getgid?.() ?? 0));

  const probe = () => pingEngine(url);
  const left = await runningDockerd(root, runDir, dockerdArgs);
  if (left !== undefined && (await answers(probe))) return { url, pid: left, stop: () => stopEngine(left, root, runDir) };
  await stopEngine(left, root, runDir);
  const [command, args] = await asRoot("dockerd", dockerdArgs);
  const server = await startServerProcess({
    name: "dockerd",
    command,
    args,
    logFile: join(root, "dockerd.log"),
    probe,
    stopGraceMs: STOP_GRACE_MS,
  });
  const dockerd = await readPid(runDir);
  return { url, pid: dockerd ?? server.pid, stop: () => stopEngine(dockerd ?? server.pid, root, runDir) };
}

/**
 * The engine that this machine already offers: DOCKER_HOST when set, else the default socket when
 * it answers; undefined when there is none. Throws when there is one that this user may not use,
 * because a second one beside it would fight over the same packet filter.
 */
export async function findEngine(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  if (env.DOCKER_HOST !== undefined && env.DOCKER_HOST !== "") return env.DOCKER_HOST;
  const url = `unix://${DEFAULT_SOCKET}`;
  try {
    await pingEngine(url);
    return url;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EACCES") return undefined;
    throw new Error(`a Docker Engine runs here, and this user may not use it: run as root, or as a member of the group docker`, { cause });
  }
}

/** A Docker client for a `unix://` or `tcp://` address. */
export function dockerClient(url: string, timeoutMs = 30_000): Docker {
  if (url.startsWith("unix://")) return new Docker({ socketPath: url.slice("unix://".length), timeout: timeoutMs });
  const { hostname, port } = new URL(url);
  return new Docker({ host: hostname, port: Number(port === "" ? 2375 : port), timeout: timeoutMs });
}

/**
 * Removes all instances and their networks from an engine that is about to stop for good: bridges and
 * packet filter rules would outlive it.
 */
export async function clearEngine(url: string): Promise<void> {
  const docker = dockerClient(url);
  const ours = { filters: { label: [labels.deployment] } };
  const containers = await docker.listContainers({ all: true, ...ours });
  await Promise.all(containers.map(({ Id }) => docker.getContainer(Id).remove({ force: true, v: true })));
  const networks = await docker.listNetworks(ours);
  await Promise.all(networks.map(({ Id }) => docker.getNetwork(Id).remove()));
}

/** Resolves when the engine answers within 3 s; rejects otherwise. */
export async function pingEngine(url: string): Promise<void> {
  await dockerClient(url, 3_000).ping();
}

/**
 * How we run dockerd anywhere: no default bridge (instances live on a bridge of their own), no
 * process per published port (the kernel forwards, loopback included), small logs, nothing that
 * outlives the engine, and control groups by file so that no init system is needed.
 */
export function dockerdArguments({ dataDir, runDir, socket }: { dataDir: string; runDir: string; socket: string }): string[] {
  return [
    `--data-root=${dataDir}`,
    `--exec-root=${join(runDir, "exec")}`,
    `--pidfile=${join(runDir, "docker.pid")}`,
    `--host=unix://${socket}`,
    "--bridge=none",
    "--userland-proxy=false",
    "--exec-opt=native.cgroupdriver=cgroupfs",
    "--log-driver=local",
    "--log-opt=max-size=1m",
    "--log-opt=max-file=1",
    "--log-opt=compress=false",
    "--log-level=warn",
  ];
}

async function answers(probe: () => Promise<void>): Promise<boolean> {
  try {
    await probe();
    return true;
  } catch {
    return false;
  }
}

async function stopEngine(pid: number | undefined, root: string, runDir: string): Promise<void> {
  if (pid !== undefined) await endProcess(pid, STOP_GRACE_MS);
  // dockerd takes containerd and the shims along, unless it was killed: then they are found by
  // the containerd socket that their arguments name.
  const containerd = join(runDir, "exec", "containerd");
  const left = await findProcesses((line) => line.some((argument) => argument.startsWith(`${containerd}/`)));
  await Promise.all(left.map((other) => endProcess(other, 5_000)));
  // A killed daemon leaves its pid file. The next one would wait for whoever has that pid by now,
  // a zombie included.
  const [command, args] = await asRoot("rm", ["-f", join(runDir, "docker.pid"), join(containerd, "containerd.pid")]);
  await run(command, args);
  await unmountBelow(root);
}

/** A killed dockerd leaves mounts of its data behind, and the folder could not be removed. */
async function unmountBelow(root: string): Promise<void> {
  const mountPoints = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))))
    .filter((mountPoint) => mountPoint.startsWith(`${root}/`));
  // What is mounted later lies on top, or further inside.
  for (const mountPoint of mountPoints.reverse()) {
    const [command, args] = await asRoot("umount", [mountPoint]);
    await run(command, args);
  }
}

async function runningDockerd(root: string, runDir: string, args: string[]): Promise<number | undefined> {
  const pid = await readPid(runDir);
  if (pid === undefined) return undefined;
  const line = await commandLineOf(pid);
  const isOurs = line[0]?.endsWith("dockerd") === true && line.includes(`--exec-root=${join(runDir, "exec")}`);
  if (!isOurs) return undefined;
  const hasSameOptions = args.length === line.length - 1 && args.every((argument, index) => line[index + 1] === argument);
  if (hasSameOptions) return pid;
  // Ours, but started with other options, by another version of us.
  await stopEngine(pid, root, runDir);
  return undefined;
}

async function readPid(runDir: string): Promise<number | undefined> {
  try {
    return Number(await readFile(join(runDir, "docker.pid"), "utf8"));
  } catch {
    return undefined;
  }
}

async function runDirFor(root: string): Promise<string> {
  const own = join(root, "run");
  const dir = fits(own) ? own : shortDirFor(root);
  if (!fits(dir)) throw new Error(`the path ${dir} is too long for a socket; set TMPDIR to a shorter one`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const stat = await lstat(dir);
  // Anybody can make a folder in the tmp folder before us.
  if (!stat.isDirectory() || stat.uid !== process.getuid?.()) throw new Error(`${dir} is not a folder of ours`);
  await chmod(dir, 0o700);
  return dir;
}

function shortDirFor(root: string): string {
  const hash = createHash("sha256").update(root).digest("hex").slice(0, 12);
  return join(tmpdir(), `getaredis-${hash}`);
}

function fits(runDir: string): boolean {
  return join(runDir, "exec", "containerd", "containerd.sock.ttrpc").length <= LONGEST_SOCKET_PATH;
}
