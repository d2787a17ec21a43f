import pMap from "p-map";
import type { Events } from "../events/contract.ts";
import type { Happening } from "../events/event.ts";
import { CloudFault } from "./cloud.ts";
import type { Cloud, Droplets, HostEngines, ReadHeartbeats } from "./contract.ts";
import { EngineFault } from "./engine-fault.ts";
import type { DropletRow } from "./droplets.ts";

/** What admitting hosts needs. */
export type AdmitPorts = {
  readonly store: {
    readonly droplets: Pick<Droplets, "list" | "admit">;
    readonly events: Pick<Events, "add">;
  };
  readonly readHeartbeats: ReadHeartbeats;
  readonly cloud: Pick<Cloud, "getDroplet">;
  readonly engines: Pick<HostEngines, "ping" | "ensureImage">;
  readonly clock: () => Date;
  readonly hosts: {
    readonly deployment: string;
    /** Slots of a droplet with so much memory. */
    readonly capacityOf: (memoryMb: number) => number;
    readonly basePort: number;
    readonly enginePort: number;
  };
};

/**
 * Turns booted droplets into hosts, `concurrency` at once: those whose heartbeat arrives, and whose engine
 * accepts our certificate, shows its own and has the image. May be killed at any line and run by several
 * processes at once.
 * @returns names of the new hosts
 * @throws Unavailable when MySQL or Redis does not answer
 */
export async function admitHosts(ports: AdmitPorts, concurrency: number): Promise<string[]> {
  const booting = (await ports.store.droplets.list()).filter(({ state }) => state === "booting");
  const heartbeats = await ports.readHeartbeats(booting.map(({ name }) => name));
  const beating = booting.filter(({ name }) => heartbeats.get(name)?.kind === "beat");
  const admitted = await pMap(beating, (row) => admit(ports, row), { concurrency });
  return beating.filter((_row, index) => admitted[index]).map(({ name }) => name);
}

async function admit(ports: AdmitPorts, { name, dropletId, orderedAt }: DropletRow): Promise<boolean> {
  const note = (event: Happening) => ports.store.events.add({ actor: "admit", host: name, ...event }, ports.clock());
  try {
    // The address comes from the cloud: what a droplet reports about itself is no proof.
    const droplet = dropletId === null ? undefined : await ports.cloud.getDroplet(dropletId);
    if (!droplet?.publicIp || !droplet.privateIp) return false;
    const { deployment, capacityOf, basePort, enginePort } = ports.hosts;
    const engine = { name, deployment, engineUrl: `https://${droplet.privateIp}:${enginePort}` };
    await ports.engines.ping(engine);
    await ports.engines.ensureImage(engine);
    const host = {
      name,
      engineUrl: engine.engineUrl,
      publicHost: droplet.publicIp,
      checkHost: droplet.privateIp,
      bindAddress: "0.0.0.0",
      capacity: capacityOf(droplet.memoryMb),
      basePort,
    };
    const now = ports.clock();
    if (!(await ports.store.droplets.admit(host, now))) return false;
    const secondsAfterOrder = (now.getTime() - orderedAt.getTime()) / 1000;
    const reason = `a host ${secondsAfterOrder.toFixed(1)} s after its order`;
    await note({ kind: "join", reason, data: { secondsAfterOrder } });
    return true;
  } catch (fault) {
    if (!(fault instanceof EngineFault) && !(fault instanceof CloudFault)) throw fault;
    await note({ kind: "join-failed", reason: fault.message });
    return false;
  }
}
