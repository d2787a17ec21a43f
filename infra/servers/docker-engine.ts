import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { labels } from "../../apps/core/services/container.ts";
import { asRoot } from "../process/as-root.ts";
import { dockerClient, pingEngine } from "./docker-client.ts";
import { childrenOf, commandLineOf, endProcess, findProcesses, pidIn, sendSignal } from "../process/processes.ts";
import { startServerProcess } from "../process/server-process.ts";
import type { ServerProcess } from "../process/server-process.ts";

const run = promisify(execFile);
const LONGEST_SOCKET_PATH = 107;
const STOP_GRACE_MS = 30_000;
/** For a containerd or a shim: they have nothing to finish. */
const RUNTIME_GRACE_MS = 5_000;
/** For a mount that is busy to be free, and between two looks at it. */
const UNMOUNT_MS = 5_000;
const UNMOUNT_AGAIN_MS = 100;

export interface DockerEngine extends ServerProcess {
  /** `unix:///…`, as DOCKER_HOST takes it. */
  url: string;
}

/**
 * Starts a Docker Engine of our own whose images, containers and sockets are all under `dir` (the
 * sockets under the system's tmp folder when `dir` is too long for one). An engine that an earlier,
 * killed run left behind there is taken over with its containers; so are the containers of one that
 * died: they run on until `stop`. Needs root or passwordless sudo; throws with the end of dockerd's
 * log when it does not come up.
 */
export async function startDockerEngine({ dir }: { dir: string }): Promise<DockerEngine> {
  const root = resolve(dir);
  await mkdir(root, { recursive: true, mode: 0o711 });
  const runDir = await runDirFor(root);
  const socket = join(runDir, "docker.sock");
  const engine: Engine = { url: `unix://${socket}`, root, runDir, pidFile: join(runDir, "docker.pid") };
  const dockerdArgs = dockerdArguments({ dataDir: join(root, "data"), runDir, socket });
  // dockerd runs as root; the socket has to be ours when we are somebody else.
  if (process.getuid?.() !== 0) dockerdArgs.push("--group", String(process.getgid?.() ?? 0));

  const left = await leftDockerd(engine);
  if (left !== undefined && hasArguments(left.commandLine, dockerdArgs) && (await answers(engine.url)))
    return running(engine, left.pid);
  // It hangs, or another version of us started it with other options. What it runs lives on.
  if (left !== undefined) await endProcess(left.pid, STOP_GRACE_MS);
  await clearWayForDockerd(engine);
  const [command, args] = await asRoot("dockerd", dockerdArgs);
  const server = await startServerProcess({
    name: "dockerd",
    command,
    args,
    logFile: join(root, "dockerd.log"),
    probe: () => pingEngine(engine.url),
    stopGraceMs: STOP_GRACE_MS,
  });
  return running(engine, (await pidIn(engine.pidFile)) ?? server.pid);
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

/**
 * How we run dockerd anywhere: no default bridge (instances live on a bridge of their own), no
 * process per published port (the kernel forwards, loopback included), containers that outlive a
 * dockerd that dies, small logs, and control groups by file so that no init system is needed.
 */
export function dockerdArguments({
  dataDir,
  runDir,
  socket,
}: {
  dataDir: string;
  runDir: string;
  socket: string;
}): string[] {
  return [
    `--data-root=${dataDir}`,
    `--exec-root=${join(runDir, "exec")}`,
    "--live-restore",
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

interface Engine {
  url: string;
  /** Where all of it is that has to last. */
  root: string;
  /** Where its sockets and pid files are. */
  runDir: string;
  pidFile: string;
}

function running(engine: Engine, pid: number): DockerEngine {
  return { url: engine.url, pid, stop: () => stopEngine(engine, pid), kill: () => killEngine(engine, pid) };
}

async function answers(url: string): Promise<boolean> {
  return pingEngine(url).then(
    () => true,
    () => false,
  );
}

/** The dockerd that runs on our folder already. */
async function leftDockerd({ pidFile, runDir }: Engine): Promise<{ pid: number; commandLine: string[] } | undefined> {
  const pid = await pidIn(pidFile);
  if (pid === undefined) return undefined;
  const commandLine = await commandLineOf(pid);
  const isOurs =
    commandLine[0]?.endsWith("dockerd") === true && commandLine.includes(`--exec-root=${join(runDir, "exec")}`);
  return isOurs ? { pid, commandLine } : undefined;
}

function hasArguments(commandLine: string[], args: string[]): boolean {
  return args.length === commandLine.length - 1 && args.every((argument, index) => commandLine[index + 1] === argument);
}

/**
 * A dockerd that died takes its containerd along, and leaves pid files: the next one would wait for
 * the processes that have those pids by now, zombies included. The shims stay: they keep the containers
 * running, and the next containerd finds them.
 */
async function clearWayForDockerd(engine: Engine): Promise<void> {
  const { containerds } = await runtimeOf(engine);
  await Promise.all(containerds.map((pid) => endProcess(pid, RUNTIME_GRACE_MS)));
  const [command, args] = await asRoot("rm", ["-f", engine.pidFile, join(containerdDir(engine), "containerd.pid")]);
  await run(command, args);
}

/** Containers first, as long as dockerd is there to clear up after them: it would leave them running. */
async function stopEngine(engine: Engine, pid: number): Promise<void> {
  if (await answers(engine.url)) await stopContainers(engine.url);
  await endProcess(pid, STOP_GRACE_MS);
  const { containers, shims } = await runtimeOf(engine);
  await Promise.all(containers.map((container) => endProcess(container, RUNTIME_GRACE_MS, "SIGKILL")));
  await Promise.all(shims.map((shim) => endProcess(shim, RUNTIME_GRACE_MS)));
  await clearWayForDockerd(engine);
  await unmountBelow([engine.root, engine.runDir]);
}

/** A container that dockerd does not stop in time is killed with the rest. */
async function stopContainers(url: string): Promise<void> {
  const docker = dockerClient(url);
  const containers = await docker.listContainers();
  await Promise.allSettled(containers.map(({ Id }) => docker.getContainer(Id).stop()));
}

/** Not dockerd alone: what it runs would live on. */
async function killEngine(engine: Engine, pid: number): Promise<void> {
  const { containers, shims } = await runtimeOf(engine);
  await Promise.all([pid, ...containers, ...shims].map((each) => sendSignal(each, "SIGKILL")));
}

/** The processes under dockerd: they are known by the folder that their arguments name, containers by their shims. */
async function runtimeOf(engine: Engine): Promise<{ containerds: number[]; shims: number[]; containers: number[] }> {
  const isPart = (line: string[]) => line.some((argument) => argument.startsWith(`${containerdDir(engine)}/`));
  const isShim = ([command = ""]: string[]) => command.includes("containerd-shim");
  const [containerds, shims] = await Promise.all([
    findProcesses((line) => isPart(line) && !isShim(line)),
    findProcesses((line) => isPart(line) && isShim(line)),
  ]);
  return { containerds, shims, containers: (await Promise.all(shims.map(childrenOf))).flat() };
}

function containerdDir({ runDir }: Engine): string {
  return join(runDir, "exec", "containerd");
}

/**
 * What a killed dockerd had mounted stays, and the folders could not be removed. A mount may be busy for a moment, by a
 * container that was just being started, and may go by itself as well.
 */
async function unmountBelow(folders: string[]): Promise<void> {
  const deadline = performance.now() + UNMOUNT_MS;
  for (;;) {
    // What is mounted later lies on top, or further inside.
    const mountPoints = (await mountPointsBelow(folders)).reverse();
    if (mountPoints.length === 0) return;
    try {
      for (const mountPoint of mountPoints) {
        const [command, args] = await asRoot("umount", [mountPoint]);
        await run(command, args);
      }
    } catch (fault) {
      if (performance.now() > deadline) throw fault;
      await sleep(UNMOUNT_AGAIN_MS);
    }
  }
}

async function mountPointsBelow(folders: string[]): Promise<string[]> {
  return (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .filter((mountPoint) => folders.some((folder) => mountPoint.startsWith(`${folder}/`)));
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
