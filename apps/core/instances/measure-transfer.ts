import type { Events } from "../events/contract.ts";
import { EngineFault } from "../fleet/engine-fault.ts";
import type { EngineHost } from "../fleet/host.ts";
import { goRound, type RoundLimits, type RoundPorts, type TimeLeft } from "../fleet/round.ts";
import type { InstanceEngines, Leases, Transfers } from "./contract.ts";
import { transferInWords } from "./transfer.ts";

/** What measuring needs. */
export type MeasurePorts = RoundPorts & {
  readonly store: {
    readonly hosts: { readonly list: () => Promise<readonly { readonly host: EngineHost; readonly inUse: number }[]> };
    readonly leases: Pick<Leases, "listOpenOf">;
    readonly transfers: Transfers;
    readonly events: Pick<Events, "add">;
  };
  readonly engines: Pick<InstanceEngines, "readSent">;
};

/** Bytes that an instance may send in its life, and that all together send in a day without an alarm; 0 is no bound. */
export type TransferBounds = { readonly instanceBytes: number; readonly alarmBytes: number };

/** Hosts that did not say what their instances have sent, with the fault. */
export type MeasureReport = { readonly unseen: readonly { readonly hostName: string; readonly fault: EngineFault }[] };

/**
 * Reads what every instance has sent, in a round of all hosts, and tells the operator once of each instance that has
 * sent all it may, and of a day on which all together send too much. It is the hosts that slow an instance, by their
 * own counts. May be killed at any line and run by several processes at once: at worst, something is told twice.
 * @throws Unavailable when MySQL does not answer
 */
export async function measureTransfer(
  ports: MeasurePorts,
  limits: RoundLimits,
  bounds: TransferBounds,
): Promise<MeasureReport> {
  const hosts = (await ports.store.hosts.list()).filter(({ inUse }) => inUse > 0).map(({ host }) => host);
  const faults = await goRound(ports, hosts, limits, (host, timeLeft) => measureHost(ports, host, timeLeft));
  if (bounds.instanceBytes > 0) await tellOfInstances(ports, bounds.instanceBytes);
  if (bounds.alarmBytes > 0) await tellOfDay(ports, bounds.alarmBytes);
  return {
    unseen: faults.filter((fault) => fault !== undefined).map((fault) => ({ hostName: fault.hostName, fault })),
  };
}

async function measureHost(
  { store, engines, clock }: MeasurePorts,
  host: EngineHost,
  timeLeft: TimeLeft,
): Promise<EngineFault | undefined> {
  const running = (await store.leases.listOpenOf(host.name)).filter(({ state }) => state === "running");
  if (running.length === 0) return undefined;
  try {
    const sent = await engines.readSent(
      host,
      running.map(({ id }) => id),
      timeLeft(),
    );
    await store.transfers.keep(new Map(sent.map(({ instanceId, sentBytes }) => [instanceId, sentBytes])), clock());
    return undefined;
  } catch (fault) {
    if (fault instanceof EngineFault) return fault;
    throw fault;
  }
}

async function tellOfInstances({ store, clock }: MeasurePorts, boundBytes: number): Promise<void> {
  for (const { instanceId, hostName, sentBytes } of await store.transfers.listExceeding(boundBytes)) {
    // Told before it is noted: what happens in between leads to a second line, not to none.
    await store.events.add(
      {
        actor: "transfer",
        kind: "transfer-exceeded",
        host: hostName,
        instance: instanceId,
        reason: `it has sent the ${transferInWords(boundBytes)} that it may: it answers slowly from here on`,
        data: { sentBytes, boundBytes },
      },
      clock(),
    );
    await store.transfers.noteExceeding(instanceId, clock());
  }
}

async function tellOfDay({ store, clock }: MeasurePorts, alarmBytes: number): Promise<void> {
  const { sentBytes, isAlarmGiven } = await store.transfers.readDay(clock());
  if (isAlarmGiven || sentBytes < alarmBytes) return;
  await store.events.add(
    {
      actor: "transfer",
      kind: "transfer-alarm",
      alarm: true,
      reason: `all instances together have sent ${transferInWords(alarmBytes)} today: see which send most, and end them`,
      data: { sentBytes, alarmBytes },
    },
    clock(),
  );
  await store.transfers.noteAlarm(clock());
}
