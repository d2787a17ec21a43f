import type { EngineHost } from "../fleet/host.ts";
import type { PortMapReport } from "./port-map-report.ts";
import type { HostPort, SlotPorts } from "./port.ts";
import type { PortMapDocument, SeenContainer } from "./port-map.ts";
import type { Workload, WorkloadContainer, WorkloadSpec } from "./workload.ts";

/** What comes of a declared change: no host of this name takes any now, or a rule refuses it. */
export type ChangeResult<Kept> =
  | { readonly kind: "changed"; readonly now: Kept | undefined }
  | { readonly kind: "no-host" }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * Ports of hosts as operators have declared them. A host with any is not empty. Calls throw `Unavailable` while the store
 * does not answer.
 */
export type HostPorts = {
  readonly list: () => Promise<readonly HostPort[]>;
  /**
   * Changes a port, or takes it away when `work` gives undefined; nobody else changes one meanwhile. `whyNot` gets the
   * port as it would be, and can refuse it. A host that drains or is gone takes no new ones.
   */
  readonly change: (
    place: { readonly host: string; readonly port: number },
    work: (port: HostPort | undefined) => HostPort | undefined,
    whyNot: (port: HostPort, slots: SlotPorts, others: readonly HostPort[]) => string | undefined,
    now: Date,
  ) => Promise<ChangeResult<HostPort>>;
};

/** Workloads as operators have declared them; a host with any is not empty. As {@link HostPorts}. */
export type Workloads = {
  readonly list: () => Promise<readonly Workload[]>;
  /** Changes a workload, or adds it; `work` may give undefined to leave it as it is. */
  readonly change: (
    place: { readonly host: string; readonly name: string },
    work: (workload: Workload | undefined) => WorkloadSpec | undefined,
    now: Date,
  ) => Promise<ChangeResult<Workload>>;
  /** Notes that a generation was carried out, or what was wrong with it. A removed one without a fault is forgotten. */
  readonly acknowledge: (
    place: { readonly host: string; readonly name: string },
    done: { readonly generation: number; readonly at: Date; readonly fault: string | null },
  ) => Promise<void>;
};

/** Engines as those see them who run workloads. Calls throw `EngineFault` when they fail. */
export type WorkloadEngines = {
  /** All containers of workloads of this deployment, stopped ones included. */
  readonly listWorkloads: (host: EngineHost) => Promise<readonly WorkloadContainer[]>;
  /** Whether the engine has an image. */
  readonly hasImage: (host: EngineHost, image: string) => Promise<boolean>;
  /** Has the engine pull an image from its registry. */
  readonly pullImage: (host: EngineHost, image: string) => Promise<void>;
  readonly createWorkload: (host: EngineHost, workload: WorkloadSpec, container: string) => Promise<void>;
  /** What is so already is a success. */
  readonly turnWorkload: (
    host: EngineHost,
    container: string,
    to: "remove" | "start" | "stop" | "pause" | "unpause",
  ) => Promise<void>;
};

/** The way to the programs that carry out port maps, one a host. Calls throw `Unavailable` when Redis does not answer. */
export type PortMaps = {
  /** Leaves a document for a host and wakes its program. The same document again changes nothing. */
  readonly put: (host: string, document: PortMapDocument) => Promise<void>;
  /** What is left for a host, as text; undefined when there is nothing. */
  readonly readText: (host: string) => Promise<string | undefined>;
  /** For each of these hosts the revision that is left for it, and what its program has reported of late. */
  readonly read: (hosts: readonly string[]) => Promise<ReadonlyMap<string, PortMapFacts>>;
};

/** What is known of a host's port map: undefined where nothing was left, or nothing has been reported. */
export type PortMapFacts = { readonly wanted: string | undefined; readonly report: PortMapReport | undefined };

/** Engines as those see them who balance over containers. Calls throw `EngineFault` when they fail. */
export type ContainerEngines = {
  /** All containers that run on the host, paused ones included. */
  readonly listRunning: (host: EngineHost) => Promise<readonly SeenContainer[]>;
  /**
   * Calls back whenever a container has started, ended, been paused or got another address, until the signal aborts.
   * Resolves when the stream has ended, whoever ended it. Throws when there was none.
   */
  readonly followContainers: (host: EngineHost, onChange: () => void, signal: AbortSignal) => Promise<void>;
};
