import pMap from "p-map";
import { EngineFault, isSilence } from "./engine-fault.ts";
import type { Events } from "../events/contract.ts";
import type { Droplets, HostEngines, Hosts } from "./contract.ts";
import type { EngineHost } from "./host.ts";

/** What checking hosts needs. */
export type CheckHostsPorts = {
  readonly store: {
    readonly hosts: Pick<Hosts, "list">;
    readonly droplets: Pick<Droplets, "keepReachability">;
    readonly events: Pick<Events, "add">;
  };
  readonly engines: Pick<HostEngines, "ping" | "ensureImage">;
  readonly clock: () => Date;
};

/**
 * Checks whether every host's engine answers the control plane, `concurrency` hosts at once: a host whose
 * heartbeat arrives but whose engine is out of reach cannot serve anybody. Hosts that answer get the image of
 * instances when they lack it: it may have been pruned, or the settings may name another one since the host
 * joined.
 * @throws Unavailable when MySQL does not answer
 */
export async function checkHosts({ store, engines, clock }: CheckHostsPorts, concurrency: number): Promise<void> {
  const hosts = (await store.hosts.list()).map(({ host }) => host);
  const isReached = await pMap(hosts, (host) => answers(engines, host), { concurrency });
  const namesOf = (wanted: boolean) =>
    hosts.filter((_host, index) => isReached[index] === wanted).map(({ name }) => name);
  await store.droplets.keepReachability(namesOf(true), namesOf(false), clock());
  await pMap(
    hosts.filter((_host, index) => isReached[index]),
    async (host) => {
      try {
        await engines.ensureImage(host);
      } catch (fault) {
        if (!(fault instanceof EngineFault)) throw fault;
        await store.events.add(
          { actor: "health", kind: "hold", host: host.name, reason: `it cannot be given the image: ${fault.message}` },
          clock(),
        );
      }
    },
    { concurrency },
  );
}

async function answers(engines: CheckHostsPorts["engines"], host: EngineHost): Promise<boolean> {
  try {
    await engines.ping(host);
    return true;
  } catch (fault) {
    if (!(fault instanceof EngineFault)) throw fault;
    return !isSilence(fault);
  }
}
