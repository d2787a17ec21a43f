import { createFleetCache } from "../../apps/core/fleet/fleet-cache.ts";
import type { NewHost } from "../../apps/core/fleet/host.ts";
import type { InstanceState } from "../../apps/core/instances/instance.ts";
import { containerName } from "../../apps/core/services/container.ts";
import { redisService } from "../../apps/core/services/redis.ts";
import { instanceLimits } from "../../apps/core/settings/instances.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { watchPassword } from "../../apps/core/services/watch-user.ts";
import { hashSecret } from "../../apps/lib/secrets.ts";
import { createTwinClientUsage } from "../../apps/twins/client-usage.ts";
import { createTwinDiscovery } from "../../apps/twins/discovery.ts";
import { createTwinEngines, type TwinEngine } from "../../apps/twins/engines.ts";
import { createTwinPressure } from "../../apps/twins/pressure.ts";
import { createTwinLoginCheck, createTwinProbe } from "../../apps/twins/probe.ts";
import { createTwinStore } from "../../apps/twins/store/index.ts";
import { createTables } from "../../apps/twins/store/tables.ts";
import { createVirtualTime } from "../../apps/twins/time.ts";
import { createCallFaults } from "../../apps/twins/turns.ts";
import { liveOnly } from "./budgets.ts";

const CACHE_RULES = {
  livenessMaxAgeMs: 10_000,
  backoffMs: 15_000,
  rereadMs: 60_000,
  placement: "busiest-first",
} as const;

/** Image of instances in a {@link createTwinService}, and the server's secret. */
export const TWIN_IMAGE = "redis";
export const TWIN_SECRET = "secret-of-the-server";

const redis = redisService(instanceLimits(loadSettings({ INSTANCE_IMAGE: TWIN_IMAGE }, ["INSTANCE_IMAGE"]).instances));

/** A whole service in memory, in virtual time. */
export type TwinService = ReturnType<typeof createTwinService>;

/**
 * Store, engines, heartbeats and fleet cache in memory, in virtual time, for tests of the core's actions.
 * Calls are named as twins name them: `leases.close`, `startContainer`, `probe`.
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
  const elsewhere = createTwinStore(tables);
  const engines = createTwinEngines({ image: TWIN_IMAGE, ...staging });
  const discovery = createTwinDiscovery({ clock: time.clock, ...staging });
  const probe = createTwinProbe(() => machines.values(), staging);
  const checkLogin = createTwinLoginCheck(() => machines.values(), staging);
  const readClientUsage = createTwinClientUsage(() => machines.values());
  const pressure = createTwinPressure(staging);
  const openCache = () =>
    createFleetCache({ listChanged: store.hosts.listChanged, readHeartbeats: discovery.readHeartbeats }, CACHE_RULES);

  /** Adds a host whose heartbeat arrives, with an engine that answers. */
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

  /**
   * Adds an instance in a state, of a holder of its own, with its container unless `container` is given
   * otherwise.
   * @param ttlSeconds until its lease ends; of a starting one, until its deadline
   */
  async function addInstance(
    id: string,
    hostName: string,
    state: InstanceState,
    { ttlSeconds = 1000, container = true }: { readonly ttlSeconds?: number; readonly container?: boolean } = {},
  ): Promise<void> {
    const now = time.clock();
    const end = new Date(now.getTime() + ttlSeconds * 1000);
    const holder = tables.instances.size;
    const address = `10.${holder >> 8}.${holder & 255}.1`;
    const draft = {
      id,
      address,
      tokenHash: Buffer.alloc(32),
      passwordHash: Buffer.alloc(32),
      createdAt: now,
      deadline: end,
      latestEnd: end,
    };
    const taken = await elsewhere.handouts.takeSlot(draft, hostName, liveOnly(1), undefined);
    if (taken.kind !== "taken") throw new Error(`no slot for ${id}: ${taken.kind}`);
    if (container) addContainer(id, hostName, taken.port);
    if (state === "starting") return;
    await elsewhere.handouts.complete(id, end, now, undefined);
    if (state === "running") return;
    await elsewhere.leases.beginEnd(id, "owner", now);
    if (state === "ended") await elsewhere.leases.close(id, now);
  }

  /** Puts a container of ours on a machine, whether or not there is a row for it. */
  function addContainer(id: string, hostName: string, port = 0): void {
    const { deployment } = tables;
    const passwordHash = hashSecret(`password of ${id}`);
    const watchHash = hashSecret(watchPassword(TWIN_SECRET, id));
    const instance = { id, deployment, bindAddress: "0.0.0.0", port, passwordHash, watchHash, notAfter: time.clock() };
    machine(hostName).containers.set(containerName(id), { spec: redis.containerOf(instance), running: true });
  }

  /** All instances as "state, cause of the end", by id. */
  function states(): Record<string, string> {
    return Object.fromEntries(
      [...tables.instances.values()].map(({ id, state, endCause }) => [
        id,
        endCause === null ? state : `${state}, ${endCause}`,
      ]),
    );
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
    clock: time.clock,
    tables,
    store,
    /** The store of another process: no fault or turn of ours has a part in it. */
    elsewhere,
    engines,
    discovery,
    readHeartbeats: discovery.readHeartbeats,
    probe,
    checkLogin,
    readClientUsage,
    pressure,
    fleet: openCache(),
    /** The cache of another process. */
    openCache,
    faults,
    /** What happens before each call of a name has its effect; it is waited for. */
    before,
    addHost,
    addInstance,
    addContainer,
    states,
    machine,
    containersOf,
  };
}
