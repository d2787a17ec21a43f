import { setTimeout as delay } from "node:timers/promises";
import Docker from "dockerode";
import pLimit, { type LimitFunction } from "p-limit";
import type { ContainerFacts } from "../domain/reconcile.ts";
import { containerName, labels, networkOf, type ContainerSpec } from "../domain/container-spec.ts";
import { EngineFault, type EngineFaultReason } from "../domain/engine-fault.ts";
import type { EngineHost } from "../domain/host.ts";

/** All Docker Engines of the fleet. */
export type DockerEngines = ReturnType<typeof createDockerEngines>;

const POLL_MS = 50;

/**
 * An engine starts about as many containers a second whatever the parallelism; more at once only makes
 * each of them late, until their time-outs undo work that was nearly done.
 */
const STARTS_AT_ONCE = 4;

/**
 * Engines reached by their hosts' URLs. Every call takes `timeoutMs` at most and throws
 * {@link EngineFault} when it did not work out.
 */
export function createDockerEngines(timeoutMs: number) {
  const clients = new Map<string, Docker>();
  const gates = new Map<string, LimitFunction>();
  const networks = new Map<string, Promise<void>>();

  /**
   * Creates and starts a container, behind those that the engine is starting already.
   * @throws `signal.reason` when the signal aborts before its turn has come: nothing was done then.
   *   EngineFault: nothing may be taken for granted.
   */
  async function startContainer(host: EngineHost, spec: ContainerSpec, signal: AbortSignal): Promise<void> {
    await gateOf(host)(() => {
      signal.throwIfAborted();
      return startNow(host, spec);
    });
  }

  async function startNow(host: EngineHost, spec: ContainerSpec): Promise<void> {
    await call(host, async (docker, abortSignal) => {
      const { name, ...body } = spec;
      let container: Docker.Container | undefined;
      for (let isRetry = false; ; isRetry = true) {
        await networkOnce(host, docker, abortSignal);
        try {
          container ??= await docker.createContainer({ ...body, name, abortSignal } as unknown as Docker.ContainerCreateOptions);
          await container.start({ abortSignal });
          return;
        } catch (fault) {
          // Removed behind our back, as `docker system prune` does with networks that nobody uses.
          if (isRetry || !/network .*not found/i.test(messageOf(fault))) throw fault;
          networks.delete(host.name);
        }
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
          await delay(POLL_MS, undefined, { signal: abortSignal });
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

  /** Ensures the network once for all hand-outs that come at the same time. */
  async function networkOnce(host: EngineHost, docker: Docker, abortSignal: AbortSignal): Promise<void> {
    const known = networks.get(host.name) ?? ensureNetwork(docker, host.deployment, abortSignal);
    networks.set(host.name, known);
    try {
      await known;
    } catch (fault) {
      networks.delete(host.name);
      throw fault;
    }
  }

  /** The bridge of all instances: no traffic between them, no masquerade on the way out. */
  async function ensureNetwork(docker: Docker, deployment: string, abortSignal: AbortSignal): Promise<void> {
    const network = networkOf(deployment);
    const isThere = async () => (await docker.listNetworks({ filters: { name: [network.name] }, abortSignal })).some(({ Name }) => Name === network.name);
    if (await isThere()) return;
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
      // Another replica was faster; its network is listed a moment later.
      if (!/already exists|same bridge name/i.test(messageOf(fault))) throw fault;
      while (!(await isThere())) await delay(POLL_MS, undefined, { signal: abortSignal });
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

  function gateOf(host: EngineHost): LimitFunction {
    const gate = gates.get(host.name) ?? pLimit(STARTS_AT_ONCE);
    gates.set(host.name, gate);
    return gate;
  }

  function clientOf(host: EngineHost): Docker {
    const known = clients.get(host.engineUrl);
    if (known) return known;
    const client = new Docker(connectionTo(host.engineUrl));
    clients.set(host.engineUrl, client);
    return client;
  }

  return { startContainer, removeContainer, listContainers };
}

function connectionTo(engineUrl: string): Docker.DockerOptions {
  const url = new URL(engineUrl);
  if (url.protocol === "unix:") return { socketPath: decodeURIComponent(url.pathname) };
  return { protocol: "http", host: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || 2375 };
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
