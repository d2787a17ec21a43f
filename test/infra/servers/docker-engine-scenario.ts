/**
 * What docker-engine.test.ts has happen in namespaces of its own, so that a private engine changes
 * nothing of this machine. Prints what it saw as one line of JSON. Arguments: a folder, one too long
 * for sockets.
 */
import { execFile, spawn } from "node:child_process";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { dockerClient, findEngine } from "../../../infra/servers/docker-client.ts";
import { startDockerEngine } from "../../../infra/servers/docker-engine.ts";
import { endProcess, findProcesses } from "../../../infra/process/processes.ts";
import { ensureRedisImage } from "../../../infra/servers/redis-image.ts";
import { pingRedis } from "../../../infra/servers/redis.ts";
import { until } from "../../bed/until.ts";

const run = promisify(execFile);
const [dir = "", longDir = ""] = process.argv.slice(2);
const PORT = 20_001;
const engineProcesses = () => findProcesses(([command = ""]) => /dockerd|containerd|redis-server/.test(command));
const mounts = async () =>
  (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => line.includes(dir));
const ping = () => pingRedis(`redis://127.0.0.1:${PORT}`);
const answers = () => ping().then(() => true);

await run("ip", ["link", "set", "lo", "up"]);
const first = await startDockerEngine({ dir });
const docker = dockerClient(first.url);
const image = await ensureRedisImage(docker);
await docker.createNetwork({ Name: "instances", Driver: "bridge" });
const container = await docker.createContainer({
  Image: image,
  name: "redis",
  Cmd: ["--protected-mode", "no", "--save", ""],
  HostConfig: { NetworkMode: "instances", PortBindings: { "6379/tcp": [{ HostPort: String(PORT) }] } },
});
await container.start();
await until("it answers", answers);
const whileRunning = (await engineProcesses()).length;
const pidOfInstance = async () => (await container.inspect()).State.Pid;
const pid = await pidOfInstance();

// As after a SIGKILL of the process that started it: the engine runs, and nothing owns it.
const adopted = await startDockerEngine({ dir });
const pidAfterAdoption = await pidOfInstance();

await endProcess(adopted.pid, 5_000, "SIGKILL");
const answersWithoutEngine = await answers();
const restarted = await startDockerEngine({ dir });
const answersAfterKill = await answers();
const pidAfterKill = await pidOfInstance();
// The next engine has to care for what it took over as for its own.
await container.restart();
const answersAfterRestart = await until("it answers", answers);

// As after a power cut: the engine and all it ran died at once.
await restarted.kill();
await until("all are dead", async () => (await engineProcesses()).length === 0);
const afterCut = await startDockerEngine({ dir });
const stateAfterCut = (await container.inspect()).State.Status;
// containerd clears away what it had run before, by and by.
await until("its container starts", () => container.start().then(() => true));
const answersAfterCut = await until("it answers", answers);

// Something is at work in its folder until after the first try to unmount it, as what starts a container may be.
const straggler = spawn("sleep", ["infinity"], { cwd: join(dir, "data") });
const path = process.env["PATH"] ?? "";
const bin = join(dir, "bin");
const tried = join(bin, "tried");
await mkdir(bin);
await writeFile(join(bin, "umount"), `#!/bin/sh\nPATH=${path}\numount "$@"\ncode=$?\n>${tried}\nexit $code\n`, {
  mode: 0o755,
});
process.env["PATH"] = `${bin}:${path}`;
const stopped = afterCut.stop();
// It is awaited below.
stopped.catch(() => undefined);
await until("it has tried to unmount", () => access(tried).then(() => true), 60_000);
straggler.kill();
process.env["PATH"] = path;
await stopped;
const afterStop = { processes: await engineProcesses(), mounts: await mounts() };

const last = await startDockerEngine({ dir });
await container.start();
await until("it answers", answers);
await endProcess(last.pid, 5_000, "SIGKILL");
await last.stop();
const afterStopWithoutEngine = { processes: await engineProcesses(), mounts: await mounts() };

const far = await startDockerEngine({ dir: longDir });
const farUrl = far.url;
const farVersion = await dockerClient(far.url).version();
await far.stop();

process.stdout.write(
  `${JSON.stringify({
    adoptedSamePid: adopted.pid === first.pid,
    whileRunning,
    livesAfterAdoption: pidAfterAdoption === pid,
    killed: { answersWithoutEngine, answersAfterKill, livesAfterKill: pidAfterKill === pid, answersAfterRestart },
    cut: { stateAfterCut, answersAfterCut },
    afterStop,
    afterStopWithoutEngine,
    farUrl,
    farVersion: farVersion.Version,
    foundByVariable: await findEngine("unix:///somewhere.sock"),
  })}\n`,
);
