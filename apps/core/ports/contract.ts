import type { EngineHost } from "../fleet/host.ts";
import type { PortMapReport } from "./port-map-report.ts";
import type { PortMapDocument, SeenContainer } from "./port-map.ts";

/** The way to the programs that carry out port maps, one a host. Calls throw `Unavailable` when Redis does not answer. */
export type PortMaps = {
  /** Leaves a document for a host and wakes its program. The same document again changes nothing. */
  readonly put: (host: string, document: PortMapDocument) => Promise<void>;
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
