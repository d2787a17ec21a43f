import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { dockerClient, pingEngine } from "../../infra/servers/docker-client.ts";
import { dockerdArguments } from "../../infra/servers/docker-engine.ts";
import { childrenOf, endProcess, sendSignal } from "../../infra/process/processes.ts";
import { ensureRedisImage } from "../../infra/servers/redis-image.ts";
import { grantHeartbeat } from "../../infra/servers/redis.ts";
import { startServerProcess } from "../../infra/process/server-process.ts";
import type { ServerProcess } from "../../infra/process/server-process.ts";
import { claimPlace, removeLink } from "../../infra/lab/machines/places.ts";
import type { Place } from "../../infra/lab/machines/places.ts";

const run = promisify(execFile);
const POWER_ON = fileURLToPath(new URL("power-on.sh", import.meta.url));
const HOST_SCRIPTS = fileURLToPath(new URL("../../infra/host/", import.meta.url));

/** A machine with a real Docker Engine, made of namespaces on this one. */
export interface EngineHost {
  name: string;
  /** `unix://…` of its engine. */
  url: string;
  /** A client of its engine with a 30 s time-out. */
  docker: Docker;
  /** Where its published ports answer, seen from the test. */
  address: string;
  /** Where the test is, seen from the host. */
  testAddress: string;
  /** The Redis image that its engine has. */
  image: string;
  /** Runs a command on the host as root and returns what it printed; rejects when it fails. */
  exec: (command: string, ...args: string[]) => Promise<string>;
  /** The command line that runs a command on the host as root, for those that last. */
  command: (command: string, ...args: string[]) => string[];
  /** Engine accepts connections and answers nothing (SIGSTOP), until `resume`. */
  pause: () => Promise<void>;
  resume: () => Promise<void>;
  /** SIGKILL to dockerd alone: containers run on, and nothing answers until `startEngine`. */
  killEngine: () => Promise<void>;
  startEngine: () => Promise<void>;
  /** Cuts the power: all processes are gone at once, the disk stays; its address is unreachable. */
  powerOff: () => Promise<void>;
  /** Boots it again, firewall and engine included; containers are there and not running. */
  powerOn: () => Promise<void>;
  /** Runs the real heartbeat script against the given Redis (admin URL) with a user of its own. */
  startHeartbeat: (options: {
    redisUrl: string;
    env?: Record<string, string>;
  }) => Promise<{ stop: () => Promise<void> }>;
  /** Powers off and removes everything, disk included. */
  stop: () => Promise<void>;
}

/**
 * Starts an engine host and resolves when its engine answers and has the image; about a second.
 * `dockerdArgs` are added to those of every engine. Needs root. A host never outlives the process that
 * started it, and what a killed run left on disk is removed by the next one.
 */
export async function startEngineHost({
  name,
  dockerdArgs = [],
}: {
  name: string;
  dockerdArgs?: string[];
}): Promise<EngineHost> {
  const place = await claimPlace();
  const socket = join(place.dir, "docker.sock");
  const url = `unix://${socket}`;
  const docker = dockerClient(url);
  const machine: { power?: Power; engine?: ServerProcess; dockerd?: number; heartbeats: Set<ChildProcess> } = {
    heartbeats: new Set(),
  };

  const inside = (command: string, args: string[], namespaces = ["--net"]): [string, string[]] => {
    if (machine.power === undefined) throw new Error(`${name} is powered off`);
    return [
      "nsenter",
      [`--target=${machine.power.firstPid}`, "--mount", "--pid", "--uts", ...namespaces, "--", command, ...args],
    ];
  };
  const exec = async (command: string, ...args: string[]) => (await run(...inside(command, args))).stdout;

  const startEngine = async () => {
    // A killed dockerd leaves pid files, its containerd's as well, and other processes may have the pids by now.
    await exec("rm", "-f", "/run/docker.pid", "/run/exec/containerd/containerd.pid");
    const options = dockerdArguments({ dataDir: join(place.dir, "data"), runDir: "/run", socket });
    const [command, args] = inside("dockerd", [...options, `--cgroup-parent=/${place.label}`, ...dockerdArgs]);
    machine.engine = await startServerProcess({
      name: `dockerd of ${name}`,
      command,
      args,
      logFile: join(place.dir, "dockerd.log"),
      probe: () => pingEngine(url),
    });
    const [dockerd] = await childrenOf(machine.engine.pid);
    if (dockerd === undefined) throw new Error(`dockerd of ${name} is gone`);
    machine.dockerd = dockerd;
  };
  const powerOn = async () => {
    if (machine.power !== undefined) throw new Error(`${name} is powered on`);
    machine.power = await switchOn(place);
    await connect(place, machine.power.firstPid);
    await exec("hostname", name);
    // All clients of a test come from one address: what bounds them has a test of its own.
    const bounds = ["CONNECTIONS_PER_ADDRESS=1000", "LOGIN_SECONDS=60", "LOGIN_KB=10000", "LOGINS_PENDING=10000"];
    await exec("env", ...bounds, "sh", join(HOST_SCRIPTS, "firewall.sh"), "up");
    await exec("bash", join(HOST_SCRIPTS, "transfer.sh"), "up");
    await startEngine();
  };
  const powerOff = async () => {
    await machine.power?.off();
    // Its network would stay for minutes, with connections of ended processes that get no answer.
    await removeLink(place.label);
    delete machine.power;
    delete machine.engine;
    delete machine.dockerd;
  };
  const signalEngine = async (signal: NodeJS.Signals) => {
    if (machine.dockerd === undefined) throw new Error(`${name} has no engine running`);
    await sendSignal(machine.dockerd, signal);
    // nsenter stops itself when its child stops.
    if (signal === "SIGCONT" && machine.engine !== undefined) await sendSignal(machine.engine.pid, signal);
  };
  const stop = async () => {
    await powerOff();
    await place.release();
  };

  try {
    // Without it, packets to a host that is off would follow the default route out of here.
    await run("ip", ["route", "replace", "unreachable", place.network, "metric", "4278198272"]);
    await powerOn();
    const image = await ensureRedisImage(docker);
    return {
      name,
      url,
      docker,
      address: place.hostAddress,
      testAddress: place.ourAddress,
      image,
      exec,
      command: (command, ...args) => inside(command, args).flat(),
      pause: () => signalEngine("SIGSTOP"),
      resume: () => signalEngine("SIGCONT"),
      killEngine: async () => {
        if (machine.dockerd === undefined) throw new Error(`${name} has no engine running`);
        await endProcess(machine.dockerd, 5_000, "SIGKILL");
        delete machine.dockerd;
      },
      startEngine,
      powerOff,
      powerOn,
      startHeartbeat: async ({ redisUrl, env = {} }) => {
        const password = await grantHeartbeat(redisUrl, name);
        const { hostname, port } = new URL(redisUrl);
        // In our own network namespace: there is the Redis of the test, on loopback.
        const [command, args] = inside("bash", [join(HOST_SCRIPTS, "heartbeat.sh")], []);
        const log = await open(join(place.dir, "heartbeat.log"), "a");
        const child = spawn(command, args, {
          stdio: ["ignore", log.fd, log.fd],
          env: {
            PATH: process.env.PATH,
            HOST_NAME: name,
            PUBLIC_IP: place.hostAddress,
            PRIVATE_IP: place.hostAddress,
            DOCKER_PORT: "0",
            DOCKER_HOST: url,
            HEARTBEAT_REDIS_HOST: hostname,
            HEARTBEAT_REDIS_PORT: port,
            HEARTBEAT_REDIS_PASSWORD: password,
            ...env,
          },
        });
        const ended = once(child, "exit");
        await log.close();
        return {
          stop: async () => {
            const [script] = child.pid === undefined ? [] : await childrenOf(child.pid);
            if (script !== undefined) await endProcess(script, 2_000);
            await ended;
          },
        };
      },
      stop,
    };
  } catch (cause) {
    await stop();
    throw new Error(`engine host ${name} did not start`, { cause });
  }
}

interface Power {
  /** The first process of the host, as this machine numbers it. */
  firstPid: number;
  off: () => Promise<void>;
}

async function switchOn(place: Place): Promise<Power> {
  const namespaces = ["--mount", "--net", "--uts", "--pid", "--fork", "--kill-child"];
  const child = spawn("unshare", [...namespaces, "bash", POWER_ON, place.dir], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const ended = once(child, "exit");
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  const started = await Promise.race([once(child.stdout, "data").then(() => true), ended.then(() => false)]);
  const [firstPid] = child.pid === undefined ? [] : await childrenOf(child.pid);
  if (!started || firstPid === undefined)
    throw new Error(`power-on.sh ended early (are you root?): ${complaints.trim()}`);
  return {
    firstPid,
    off: async () => {
      await endProcess(firstPid, 5_000, "SIGKILL");
      await ended;
    },
  };
}

/** One link from here to the host. */
async function connect(place: Place, firstPid: number): Promise<void> {
  await run("ip", ["link", "add", place.label, "type", "veth", "peer", "name", "eth0", "netns", String(firstPid)]);
  await run("ip", ["address", "add", `${place.ourAddress}/30`, "dev", place.label]);
  await run("ip", ["link", "set", place.label, "up"]);
  const within = (...args: string[]) => run("nsenter", [`--target=${firstPid}`, "--net", "--", "ip", ...args]);
  await within("address", "add", `${place.hostAddress}/30`, "dev", "eth0");
  await within("link", "set", "eth0", "up");
  await within("route", "add", "default", "via", place.ourAddress);
}
