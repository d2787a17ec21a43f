import type { HostEngines } from "../core/fleet/contract.ts";
import { EngineFault, type EngineFaultReason } from "../core/fleet/engine-fault.ts";
import type { EngineHost } from "../core/fleet/host.ts";
import type { InstanceEngines } from "../core/instances/contract.ts";
import type { Restart } from "../core/instances/instance.ts";
import type { ClientUsage } from "../core/operator/client-usage.ts";
import { containerName, labels, type ContainerSpec } from "../core/services/container.ts";
import type { ServerVersion } from "../core/services/server-version.ts";
import { inTurns, type Effects, type Staging } from "./turns.ts";

/** The least memory that an engine gives a container. */
const LEAST_MEMORY = 6 * 1024 * 1024;
const INSTANCE_PORT = "6379/tcp";

/** A container of a twin engine. */
export type TwinContainer = {
  readonly spec: ContainerSpec;
  running: boolean;
  lastRestart?: Restart;
  sentBytes?: number;
  clients?: ClientUsage;
};

/** A machine with an engine, and what a test may do to it. */
export type TwinEngine = {
  /** Where its published ports answer. */
  readonly address: string;
  /** Images that it has; instances' image is pulled by `ensureImage`. */
  readonly images: Set<string>;
  /** By name. */
  readonly containers: Map<string, TwinContainer>;
  /** Ports that are taken by something else on the machine. */
  readonly heldPorts: Set<number>;
  /** Ids of instances whose containers it refuses to remove. */
  readonly stubborn: Set<string>;
  /** What its image runs. */
  server: ServerVersion;
  /** Why it does not answer at all; undefined while it does. */
  silence: Extract<EngineFaultReason, "unreachable" | "certificate" | "timeout"> | undefined;
};

type Port = HostEngines & InstanceEngines;

/**
 * Docker Engines in memory, by their URLs: containers with their ports and labels, and switches for faults.
 * Nothing answers at a URL that no engine was added for. Faults name calls as in `startContainer`.
 * @param image the image of instances, which `ensureImage` provides
 */
export function createTwinEngines({ image, ...staging }: Staging & { readonly image: string }) {
  const engines = new Map<string, TwinEngine>();

  /** Adds an engine at a URL, with the image of instances, unless there is one. */
  function add(engineUrl: string, address: string): TwinEngine {
    const known = engines.get(engineUrl);
    if (known) return known;
    const engine: TwinEngine = {
      address,
      images: new Set([image]),
      containers: new Map(),
      heldPorts: new Set(),
      stubborn: new Set(),
      server: { engine: "redis", version: "7.0.15" },
      silence: undefined,
    };
    engines.set(engineUrl, engine);
    return engine;
  }

  /** The engine of a host. @throws EngineFault when it does not answer */
  function answering({ engineUrl, name }: EngineHost): TwinEngine {
    const engine = engines.get(engineUrl);
    const silence = engine ? engine.silence : "unreachable";
    if (!engine || silence) throw new EngineFault(silence ?? "unreachable", name, new Error("it does not answer"));
    return engine;
  }

  const effects: Effects<Omit<Port, "startContainer">> = {
    ping: (host) => void answering(host),
    ensureImage: (host) => void answering(host).images.add(image),
    removeContainer: (host, instanceId) => {
      const engine = answering(host);
      if (engine.stubborn.has(instanceId))
        throw new EngineFault("refused", host.name, new Error("device or resource busy"));
      engine.containers.delete(containerName(instanceId));
    },
    listContainers: (host) =>
      [...answering(host).containers.values()]
        .filter(({ spec }) => spec.Labels[labels.deployment] === host.deployment)
        .map(({ spec, running }) => ({ instanceId: spec.Labels[labels.instance] ?? "", running })),
    readSent: (host, instanceIds) => {
      const { containers } = answering(host);
      return instanceIds.flatMap((instanceId) => {
        const { running, sentBytes = 0 } = containers.get(containerName(instanceId)) ?? {};
        return running ? [{ instanceId, sentBytes }] : [];
      });
    },
    listRestarts: (host, instanceIds) => {
      const { containers } = answering(host);
      return instanceIds.flatMap((instanceId) => {
        const { running, lastRestart } = containers.get(containerName(instanceId)) ?? {};
        return running && lastRestart ? [{ instanceId, ...lastRestart }] : [];
      });
    },
    readExit: (host, instanceId) => {
      const container = answering(host).containers.get(containerName(instanceId));
      return container?.running === false ? "it ended with exit code 137" : undefined;
    },
  };

  const { startContainer } = inTurns<Pick<Port, "startContainer">>(
    "",
    {
      startContainer: (host, spec, signal) => {
        signal.throwIfAborted();
        start(answering(host), host.name, spec);
      },
    },
    staging,
  );

  return { ...inTurns<Omit<Port, "startContainer">>("", effects, staging), startContainer, add };
}

function start(engine: TwinEngine, hostName: string, spec: ContainerSpec): void {
  const refuse = (reason: EngineFaultReason, why: string) => new EngineFault(reason, hostName, new Error(why));
  if (!engine.images.has(spec.Image)) throw refuse("image-missing", `No such image: ${spec.Image}`);
  if (engine.containers.has(spec.name)) throw refuse("refused", `The name ${spec.name} is already in use`);
  const memory = spec.HostConfig["Memory"];
  if (typeof memory === "number" && memory < LEAST_MEMORY) throw refuse("refused", "Minimum memory limit is 6MB");
  const port = publishedPort(spec);
  const isTaken =
    engine.heldPorts.has(port) ||
    [...engine.containers.values()].some((other) => other.running && publishedPort(other.spec) === port);
  // The engine first creates, then starts: a container that it cannot start exists all the same.
  engine.containers.set(spec.name, { spec, running: !isTaken });
  if (isTaken) throw refuse("port-taken", `port ${port} is already allocated`);
}

/** The port of the machine that a container is published on. */
export function publishedPort({ HostConfig }: ContainerSpec): number {
  const bindings = HostConfig["PortBindings"] as Readonly<Record<string, readonly { readonly HostPort: string }[]>>;
  return Number(bindings[INSTANCE_PORT]?.[0]?.HostPort);
}
