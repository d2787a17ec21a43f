import { EngineFault, isSilence } from "./engine-fault.ts";
import type { Droplets, HostEngines, Hosts } from "./contract.ts";
import type { EngineHost } from "./host.ts";
import { goRound, type RoundLimits, type RoundPorts } from "./round.ts";

/** What checking hosts needs. */
export type CheckHostsPorts = RoundPorts & {
  readonly store: {
    readonly hosts: Pick<Hosts, "list">;
    readonly droplets: Pick<Droplets, "keepReachability" | "listUnreached">;
  };
  readonly engines: Pick<HostEngines, "ping">;
};

/** Waiting for an answer costs a socket: many that give none must not keep the others from being asked. */
const ASKED_AT_ONCE = 64;

/**
 * Checks whether every host's engine answers the control plane: a host whose heartbeat arrives but whose engine is
 * out of reach cannot serve anybody.
 * @throws Unavailable when MySQL does not answer
 */
export async function checkHosts(ports: CheckHostsPorts, limits: RoundLimits): Promise<void> {
  const hosts = (await ports.store.hosts.list()).map(({ host }) => host);
  const round = { ...limits, concurrency: Math.max(limits.concurrency, ASKED_AT_ONCE) };
  const answers = await goRound(ports, hosts, round, async (host, timeLeft) => ({
    name: host.name,
    isReached: await isReached(ports, host, timeLeft()),
  }));
  const namesOf = (wanted: boolean) => answers.filter((each) => each.isReached === wanted).map(({ name }) => name);
  await ports.store.droplets.keepReachability(namesOf(true), namesOf(false), ports.clock());
}

async function isReached({ engines }: CheckHostsPorts, host: EngineHost, withinMs: number): Promise<boolean> {
  try {
    await engines.ping(host, withinMs);
    return true;
  } catch (fault) {
    if (!(fault instanceof EngineFault)) throw fault;
    return !isSilence(fault);
  }
}
