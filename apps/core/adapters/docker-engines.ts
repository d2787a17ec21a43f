import Docker from "dockerode";
import type { ContainerFacts } from "../domain/reconcile.ts";
import { containerName, labels, networkOf, type ContainerSpec } from "../domain/container-spec.ts";
import { EngineFault, type EngineFaultReason } from "../domain/engine-fault.ts";
import type { EngineHost } from "../domain/host.ts";

/** All Docker Engines of the fleet. */
export type DockerEngines = ReturnType<typeof createDockerEngines>;

const GONE_POLL_MS = 50;

/**
 * Engines reached by their hosts' URLs. Every call takes `timeoutMs` at most and throws
 * {@link EngineFault} when it did not work out.
 */
export function createDockerEngines(timeoutMs: number) {
  const clients = new Map<string, Docker>();
  const hostsWithNetwork = new Set<string>();

  /** Creates and starts a container; nothing of it may be taken for granted when this throws. */
  async function startContainer(host: EngineHost, spec: ContainerSpec): Promise<void> {
    await call(host, async (docker, abortSignal) => {
      if (!hostsWithNetwork.has(host.name)) await ensureNetwork(docker, host.deployment, abortSignal);
      hostsWithNetwork.add(host.name);
      const { name, ...body } = spec;
      try {
        const container = await docker.createContainer({ ...body, name, abortSignal } as unknown as Docker.ContainerCreateOptions);
        await container.start({ abortSignal });
      } catch (fault) {
        // The network may have been removed behind our back; the next hand-out makes it anew.
        if (/network .*not found/i.test(messageOf(fault))) hostsWithNetwork.delete(host.name);
        throw fault;
      }
    });
  }

  /** Removes an instance's container, running or not, and returns when it is gone; already gone is success. */
  async function removeContainer(host: EngineHost, instanceId: string): Promise<void> {
    await call(host, async (docker, abortSignal) => {
      const container = docker.getContainer(containerName(instanceId));
      for (;;) {
        try {
          await container.remove({ force: true, v: true, abortSignal });
          return;
        } catch (fault) {
          if (statusOf(fault) === 404) return;
          // Somebody else is removing it at this moment; it is gone only when the engine says so.
          if (statusOf(fault) !== 409) throw fault;
          await new Promise((resolve) => setTimeout(resolve, GONE_POLL_MS));
          abortSignal.throwIfAborted();
        }
      }
    });
  }

  /** All containers of this deployment on the host, stopped ones included. */
  async function listContainers(host: EngineHost): Promise<ContainerFacts[]> {
    return call(host, async (docker, abortSignal) => {
      const containers = await docker.listContainers({ all: true, filters: { label: [`${labels.deployment}=${host.deployment}`] }, abortSignal });
      return containers.map((container) => ({ instanceId: container.Labels[labels.instance] ?? "", running: container.State === "running" }));
    });
  }

  /** Checks that the engine answers and has `image`. */
  async function check(host: EngineHost, image: string): Promise<void> {
    await call(host, async (docker, abortSignal) => {
      const images = await docker.listImages({ filters: { reference: [image] }, abortSignal });
      if (images.length === 0) throw Object.assign(new Error(`no such image: ${image}`), { statusCode: 404 });
    });
  }

  /** The bridge of all instances: no traffic between them, no masquerade on the way out. */
  async function ensureNetwork(docker: Docker, deployment: string, abortSignal: AbortSignal): Promise<void> {
    const network = networkOf(deployment);
    const found = await docker.listNetworks({ filters: { name: [network.name] }, abortSignal });
    if (found.some(({ Name }) => Name === network.name)) return;
    try {
      await docker.createNetwork({
        Name: network.name,
        CheckDuplicate: true,
        Driver: "bridge",
        Options: {
          "com.docker.network.bridge.name": network.bridge,
          "com.docker.network.bridge.enable_icc": "false",
          "com.docker.network.bridge.enable_ip_masquerade": "false",
        },
        Labels: { [labels.deployment]: deployment },
        abortSignal,
      });
    } catch (fault) {
      // Another replica was faster.
      if (!/already exists/i.test(messageOf(fault))) throw fault;
    }
  }

  async function call<T>(host: EngineHost, work: (docker: Docker, abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    const abortSignal = AbortSignal.timeout(timeoutMs);
    try {
      return await work(clientOf(host), abortSignal);
    } catch (fault) {
      throw new EngineFault(abortSignal.aborted ? "timeout" : reasonOf(fault), host.name, fault);
    }
  }

  function clientOf(host: EngineHost): Docker {
    const known = clients.get(host.engineUrl);
    if (known) return known;
    const client = new Docker(connectionTo(host.engineUrl));
    clients.set(host.engineUrl, client);
    return client;
  }

  return { startContainer, removeContainer, listContainers, check };
}

function connectionTo(engineUrl: string): Docker.DockerOptions {
  const url = new URL(engineUrl);
  if (url.protocol === "unix:") return { socketPath: decodeURIComponent(url.pathname) };
  return { protocol: "http", host: url.hostname, port: url.port || 2375 };
}

function reasonOf(fault: unknown): EngineFaultReason {
  const status = statusOf(fault);
  if (status === undefined) return "unreachable";
  if (/port is already allocated|address already in use/i.test(messageOf(fault))) return "port-taken";
  if (status === 404 && /no such image/i.test(messageOf(fault))) return "image-missing";
  return "refused";
}

function statusOf(fault: unknown): number | undefined {
  return typeof fault === "object" && fault !== null && "statusCode" in fault && typeof fault.statusCode === "number" ? fault.statusCode : undefined;
}

function messageOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
