import pMap from "p-map";
import type { Events } from "../events/contract.ts";
import type { HostEngines, Hosts, ReadHeartbeats } from "./contract.ts";
import { EngineFault } from "./engine-fault.ts";

/** What providing images needs. */
export type ProvideImagesPorts = {
  readonly store: { readonly hosts: Pick<Hosts, "list">; readonly events: Pick<Events, "add"> };
  readonly readHeartbeats: ReadHeartbeats;
  readonly engines: Pick<HostEngines, "ensureImage">;
  readonly clock: () => Date;
};

/**
 * Gives the image of instances to hosts that are alive and lack it, `concurrency` at once: it may have been pruned,
 * or the settings may name another one since the host joined. A transfer may take minutes, so nothing else waits
 * for it.
 * @throws Unavailable when MySQL or Redis does not answer
 */
export async function provideImages(ports: ProvideImagesPorts, concurrency: number): Promise<void> {
  const hosts = (await ports.store.hosts.list()).map(({ host }) => host);
  const heartbeats = await ports.readHeartbeats(hosts.map(({ name }) => name));
  await pMap(
    hosts.filter(({ name }) => heartbeats.has(name)),
    async (host) => {
      try {
        await ports.engines.ensureImage(host);
      } catch (fault) {
        if (!(fault instanceof EngineFault)) throw fault;
        const reason = `it cannot be given the image: ${fault.message}`;
        await ports.store.events.add({ actor: "health", kind: "hold", host: host.name, reason }, ports.clock());
      }
    },
    { concurrency },
  );
}
