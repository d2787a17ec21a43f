/**
 * What docker-engine.test.ts has happen in namespaces of its own, so that a private engine changes
 * nothing of this machine. Prints what it saw as one line of JSON. Arguments: a folder, one too long
 * for sockets.
 */
import { dockerClient, findEngine, startDockerEngine } from "../../infra/local/docker-engine.ts";
import { endProcess, findProcesses } from "../../infra/local/processes.ts";
import { ensureRedisImage } from "../../infra/local/redis-image.ts";

const [dir = "", longDir = ""] = process.argv.slice(2);
const engineProcesses = () => findProcesses(([command = ""]) => /dockerd|containerd|redis-server/.test(command));

const first = await startDockerEngine({ dir });
const docker = dockerClient(first.url);
const image = await ensureRedisImage(docker);
await docker.createNetwork({ Name: "instances", Driver: "bridge" });
const container = await docker.createContainer({ Image: image, name: "redis", HostConfig: { NetworkMode: "instances" } });
await container.start();
const whileRunning = (await engineProcesses()).length;

// As after a SIGKILL of whoever started it: the engine is there, and nobody's.
const adopted = await startDockerEngine({ dir });
const runsAfterAdoption = (await container.inspect()).State.Running;

await endProcess(adopted.pid, 5_000, "SIGKILL");
const restarted = await startDockerEngine({ dir });
const containersAfterKill = (await docker.listContainers({ all: true })).map(({ Names, State }) => ({ name: Names[0], state: State }));
await container.start();

await restarted.stop();
const afterStop = await engineProcesses();

const far = await startDockerEngine({ dir: longDir });
const farUrl = far.url;
const farVersion = await dockerClient(far.url).version();
await far.stop();

process.stdout.write(
  `${JSON.stringify({
    adoptedSamePid: adopted.pid === first.pid,
    whileRunning,
    runsAfterAdoption,
    containersAfterKill,
    afterStop,
    farUrl,
    farVersion: farVersion.Version,
    foundByVariable: await findEngine({ DOCKER_HOST: "unix:///somewhere.sock" }),
  })}\n`,
);
