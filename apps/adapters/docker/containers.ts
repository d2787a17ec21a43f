import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type Docker from "dockerode";
import pMap from "p-map";
import type { EngineHost } from "../../core/fleet/host.ts";
import { labels, networkOf } from "../../core/services/container.ts";
import type { ContainerEngines, WorkloadEngines } from "../../core/ports/contract.ts";
import type { SeenContainer } from "../../core/ports/port-map.ts";
import { recipeOf, type WorkloadContainer } from "../../core/ports/workload.ts";
import { messageOf } from "../../lib/errors.ts";
import type { DockerEngines } from "./engines.ts";
import { hasImage, loadImage, pullImage } from "./images.ts";
import { ensureNetwork, type Network } from "./networks.ts";
import { removeUntilGone } from "./removal.ts";
import { statusOf } from "./status.ts";

/** Labels on containers of workloads, besides those of the deployment. */
const WORKLOAD = "getaredis.workload";
const RECIPE = "getaredis.recipe";
const MB = 1024 * 1024;
const INSPECTED_AT_ONCE = 8;
/** Processes and threads of a container of a workload. */
const MOST_PROCESSES = 1024;
/** Time that a server has to end by itself. */
const STOP_SECONDS = 5;
/** What changes who is a member, and where. */
const EVENTS = ["start", "die", "pause", "unpause", "connect", "disconnect"];

/** An answer that comes as long as somebody listens. */
type EventStream = NodeJS.ReadableStream & { readonly destroy: () => void };

/** What a line of the engine's events tells, of containers and of networks. */
type EngineEvent = { readonly Actor?: { readonly Attributes?: Readonly<Record<string, string>> } };

/**
 * Sends an engine an archive of images as it comes, and nothing of it is kept in between.
 * @returns the images that the engine names
 */
export function sendArchive(
  engines: Pick<DockerEngines, "ask">,
  host: EngineHost,
  archive: Readable,
  withinMs: number,
): Promise<string[]> {
  return engines.ask(host, (docker, abortSignal) => loadImage(docker, archive, abortSignal), withinMs);
}

/**
 * Containers other than instances, on the engines of hosts: those that ports are balanced over, and workloads.
 * @param pullMs time that an engine may take to get an image from its registry
 */
export function createContainers(
  engines: Pick<DockerEngines, "ask">,
  pullMs: number,
): ContainerEngines & WorkloadEngines {
  /** Names of images by container's id, for each host: a container keeps the one that it was made with. */
  const imagesOf = new Map<string, Map<string, string>>();

  function listRunning(host: EngineHost): Promise<readonly SeenContainer[]> {
    return engines.ask(host, async (docker, abortSignal) => {
      const listed = await listFiltered(docker, { status: ["running", "paused"] }, abortSignal);
      const known = imagesOf.get(host.name) ?? new Map<string, string>();
      const images = new Map<string, string>();
      await pMap(
        listed,
        async ({ Id }) => {
          // The list shows what the name means now. After a new image got the name, it would be another's.
          const image = known.get(Id) ?? (await imageOf(docker, Id, abortSignal));
          if (image !== undefined) images.set(Id, image);
        },
        { concurrency: INSPECTED_AT_ONCE },
      );
      imagesOf.set(host.name, images);
      return listed.flatMap((container): SeenContainer[] => {
        const image = images.get(container.Id);
        if (image === undefined) return [];
        return [
          {
            id: container.Id,
            name: container.Names[0]?.replace(/^\//, "") ?? container.Id.slice(0, 12),
            image,
            address: addressOf(container),
            isPaused: container.State === "paused",
            isInstance: labels.instance in container.Labels,
          },
        ];
      });
    });
  }

  async function followContainers(host: EngineHost, onChange: () => void, signal: AbortSignal): Promise<void> {
    const instances = networkOf(host.deployment).name;
    const stream = await engines.ask(host, async (docker, connecting) => {
      const stop = new AbortController();
      const give = () => stop.abort();
      connecting.addEventListener("abort", give, { once: true });
      signal.addEventListener("abort", give, { once: true });
      const options = { filters: { type: ["container", "network"], event: EVENTS }, abortSignal: stop.signal };
      const answer = await docker.getEvents(options as unknown as Docker.GetEventsOptions);
      // The time was for the beginning of the answer; the rest of it comes as long as somebody listens.
      connecting.removeEventListener("abort", give);
      return answer as EventStream;
    });
    const end = () => stream.destroy();
    signal.addEventListener("abort", end, { once: true });
    try {
      if (signal.aborted) return;
      // What came between a look and this.
      onChange();
      for await (const line of createInterface({ input: stream })) if (concernsOthers(line, instances)) onChange();
    } catch (fault) {
      if (!signal.aborted) throw fault;
    } finally {
      signal.removeEventListener("abort", end);
      stream.destroy();
    }
  }

  function listWorkloads(host: EngineHost): Promise<readonly WorkloadContainer[]> {
    return engines.ask(host, async (docker, abortSignal) => {
      const label = [`${labels.deployment}=${host.deployment}`, WORKLOAD];
      return (await listFiltered(docker, { label }, abortSignal)).map(({ Id, Names, Labels, State }) => ({
        id: Id,
        name: Names[0]?.replace(/^\//, "") ?? "",
        workload: Labels[WORKLOAD] ?? "",
        recipe: Labels[RECIPE] ?? "",
        state: State === "paused" ? "paused" : State === "running" || State === "restarting" ? "running" : "stopped",
      }));
    });
  }

  const containers: ContainerEngines & WorkloadEngines = {
    listRunning,
    followContainers,
    listWorkloads,
    hasImage: (host, image) => engines.ask(host, (docker, abortSignal) => hasImage(docker, image, abortSignal)),
    pullImage: (host, image) =>
      engines.ask(host, (docker, abortSignal) => pullImage(docker, image, abortSignal), pullMs),

    createWorkload: (host, workload, name) =>
      engines.ask(host, async (docker, abortSignal) => {
        const network = workloadNetwork(host.deployment);
        await ensureNetwork(docker, network, abortSignal);
        const spec = {
          name,
          Image: workload.image,
          ...(workload.command !== null && { Cmd: [...workload.command] }),
          Labels: {
            [labels.deployment]: host.deployment,
            [WORKLOAD]: workload.name,
            [RECIPE]: recipeOf(workload),
          },
          HostConfig: {
            NetworkMode: network.name,
            Memory: workload.memoryMb * MB,
            MemorySwap: workload.memoryMb * MB,
            NanoCpus: workload.millicpus * 1e6,
            PidsLimit: MOST_PROCESSES,
            SecurityOpt: ["no-new-privileges"],
            // Also after a start of the machine, whether or not there is a control plane.
            RestartPolicy: { Name: "unless-stopped" },
            // When the host itself runs out of memory, these go before its engine.
            OomScoreAdj: 500,
          },
          abortSignal,
        };
        try {
          await docker.createContainer(spec);
        } catch (fault) {
          // Another process was faster, with the same name for the same thing.
          if (statusOf(fault) !== 409) throw fault;
        }
      }),

    turnWorkload: (host, name, to) =>
      engines.ask(host, async (docker, abortSignal) => {
        const container = docker.getContainer(name);
        if (to === "remove") return removeUntilGone(container, abortSignal);
        try {
          if (to === "stop") await container.stop({ t: STOP_SECONDS, abortSignal });
          else await container[to]({ abortSignal });
        } catch (fault) {
          // 304: it is so already; the engine says of a pause that it is a conflict.
          if (statusOf(fault) !== 304 && !/already paused|not paused/i.test(messageOf(fault))) throw fault;
        }
      }),
  };
  return containers;
}

/** The bridge of all workloads of a deployment. Its name does not begin as that of instances, whose rules are others. */
function workloadNetwork(deployment: string): Network {
  return { deployment, name: `getaredis-${deployment}-workloads`, bridge: `gaw-${deployment.slice(0, 8)}` };
}

async function listFiltered(
  docker: Docker,
  filters: Readonly<Record<string, readonly string[]>>,
  abortSignal: AbortSignal,
): Promise<Docker.ContainerInfo[]> {
  const containers = await docker.listContainers({
    all: true,
    filters: filters as Record<string, string[]>,
    abortSignal,
  });
  // An answer without a body counts as good for dockerode, and would read as a host that has lost everything.
  if (!Array.isArray(containers)) throw new Error("the engine's answer is no list of containers");
  return containers;
}

/** The name of the image that a container was made from; undefined when it is gone. */
async function imageOf(docker: Docker, id: string, abortSignal: AbortSignal): Promise<string | undefined> {
  try {
    return (await docker.getContainer(id).inspect({ abortSignal })).Config.Image;
  } catch (fault) {
    if (statusOf(fault) === 404) return undefined;
    throw fault;
  }
}

/** A container's address in the first of its networks, by name, that gives it one. */
function addressOf({ NetworkSettings }: Docker.ContainerInfo): string | null {
  const networks = Object.entries(NetworkSettings.Networks).sort(([a], [b]) => (a < b ? -1 : 1));
  return networks.map(([, { IPAddress }]) => IPAddress).find((address) => address !== "") ?? null;
}

/** Whether an event may concern members: instances come and go all the time, and are none. */
function concernsOthers(line: string, instancesNetwork: string): boolean {
  try {
    const attributes = (JSON.parse(line) as EngineEvent).Actor?.Attributes ?? {};
    return !(labels.instance in attributes) && attributes["name"] !== instancesNetwork;
  } catch {
    // A line that cannot be read is worth a look.
    return true;
  }
}
