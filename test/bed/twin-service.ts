import { createFleetCache } from "../../apps/core/fleet/fleet-cache.ts";
import type { NewHost } from "../../apps/core/fleet/host.ts";
import { containerName } from "../../apps/core/services/container-spec.ts";
import { createTwinDiscovery } from "../../apps/twins/discovery.ts";
import { createTwinEngines, type TwinEngine } from "../../apps/twins/engines.ts";
import { createTwinProbe } from "../../apps/twins/probe.ts";
import { createTwinStore } from "../../apps/twins/store/index.ts";
import { createTables } from "../../apps/twins/store/tables.ts";
import { createVirtualTime } from "../../apps/twins/time.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";

const LIVENESS_MS = 10_000;
const LONGEST_BACKOFF_MS = 15_000;

/** Image of instances in a {@link createTwinService}. */
export const TWIN_IMAGE = "redis";

/** A whole service in memory, in virtual time. */
export type TwinService = ReturnType<typeof createTwinService>;

/**
 * Store, engines, heartbeats and fleet cache in memory, in virtual time, for tests of the core's actions.
 * Calls are named as twins name them: `leases.close`, `startContainer`, `waitForPong`.
 */
export function createTwinService({ start = new Date("2026-01-01T00:00:00Z") } = {}) {
  const time = createVirtualTime(start);
  const tables = createTables();
  const faults = createCallFaults();
  const before = new Map<string, () => unknown>();
  const machines = new Map<string, TwinEngine>();
  const staging = {
    faults,
    turn: async (call: string) => {
      await before.get(call)?.();
    },
  };
  const store = createTwinStore(tables, staging);
  const engines = createTwinEngines({ image: TWIN_IMAGE, ...staging });
  const discovery = createTwinDiscovery({ clock: time.clock, ...staging });
  const waitForPong = createTwinProbe(() => machines.values(), staging);
  const openCache = () =>
    createFleetCache(
      { listHosts: store.hosts.list, readHeartbeats: discovery.readHeartbeats },
      LIVENESS_MS,
      LONGEST_BACKOFF_MS,
    );

  /** Adds a host that beats, with an engine that answers. */
  async function addHost(name: string, over: Partial<NewHost> = {}): Promise<TwinEngine> {
    const engineUrl = `tcp://${name}:2375`;
    const machine = engines.add(engineUrl, `${name}.internal`);
    machines.set(name, machine);
    await store.hosts.register(
      {
        name,
        engineUrl,
        publicHost: `${name}.example.org`,
        checkHost: machine.address,
        bindAddress: "0.0.0.0",
        capacity: 40,
        basePort: 20_000,
        ...over,
      },
      time.clock(),
    );
    discovery.beat(name);
    return machine;
  }

  /** The machine of a host that was added. */
  function machine(name: string): TwinEngine {
    const found = machines.get(name);
    if (!found) throw new Error(`there is no machine ${name}`);
    return found;
  }

  /** Ids of the instances whose containers a machine has, running or not. */
  function containersOf(name: string): string[] {
    return [...machine(name).containers.keys()].map((each) => each.slice(containerName("").length)).sort();
  }

  return {
    time,
    tables,
    store,
    /** The store of another process: no fault or turn of ours has a part in it. */
    elsewhere: createTwinStore(tables),
    engines,
    discovery,
    waitForPong,
    fleet: openCache(),
    /** The cache of another process. */
    openCache,
    faults,
    /** What happens before each call of a name has its effect; it is waited for. */
    before,
    addHost,
    machine,
    containersOf,
  };
}
