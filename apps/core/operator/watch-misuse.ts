import pMap from "p-map";
import type { Events } from "../events/contract.ts";
import { EngineFault } from "../fleet/engine-fault.ts";
import type { EngineHost } from "../fleet/host.ts";
import { goRound, takingTurns, type RoundLimits, type RoundPorts, type TimeLeft } from "../fleet/round.ts";
import type { InstanceEngines, Leases } from "../instances/contract.ts";
import { endInstance, type EndPorts } from "../instances/end-instance.ts";
import type { HeldInstance } from "../instances/instance.ts";
import { watchPassword } from "../services/watch-user.ts";
import type { ReadClientUsage } from "./client-usage.ts";
import type { Misuse } from "./contract.ts";
import { findMisuse, LONGEST_GAP_MS, type MisuseFinding, type MisuseRules, type Usage } from "./misuse.ts";

/** What watching for misuse needs. */
export type MisusePorts = RoundPorts &
  EndPorts & {
    readonly store: {
      readonly misuse: Pick<Misuse, "keep">;
      readonly leases: Pick<Leases, "listHeld">;
      readonly events: Pick<Events, "add">;
    };
    readonly engines: Pick<InstanceEngines, "readSent">;
    readonly readClientUsage: ReadClientUsage;
  };

/** Time that an instance gets to tell how it is used, and how many of a host are asked at once. */
const ANSWER_MS = 2_000;
const ASKED_AT_ONCE = 16;

/**
 * Watches for what looks like misuse. What it gives back is called each minute: it compares each instance's usage with
 * that of the call before, reports what is beyond the bounds as an alarm, and ends an instance when the mode says so
 * and a finding that was reported has gone on for the time of grace. Hosts and instances that do not answer are passed
 * over. Several processes may watch at once. Resolves to how many it ended.
 */
export function watchMisuse(ports: MisusePorts, rules: MisuseRules, limits: RoundLimits): () => Promise<number> {
  const { egressMbPerMinute, loginsPerMinute, subscribers } = rules.bounds;
  const looksAtEgress = egressMbPerMinute !== undefined;
  const looksAtClients = loginsPerMinute !== undefined || subscribers !== undefined;
  let before = new Map<string, Usage>();

  return async () => {
    if (!looksAtEgress && !looksAtClients) return 0;
    const held = await ports.store.leases.listHeld();
    const last = before;
    before = new Map();
    const byHost = Map.groupBy(
      held.filter(({ state }) => state === "running"),
      ({ host }) => host.name,
    );
    const hosts = [...byHost.values()].flatMap(([first]) => first?.host ?? []);
    const ended = await goRound(ports, hosts, limits, (host, timeLeft) =>
      watchHost(host, byHost.get(host.name) ?? [], last, timeLeft),
    );
    return ended.reduce((sum, count) => sum + count, 0);
  };

  async function watchHost(
    host: EngineHost,
    instances: readonly HeldInstance[],
    last: ReadonlyMap<string, Usage>,
    timeLeft: TimeLeft,
  ): Promise<number> {
    const sent = looksAtEgress
      ? await unlessFailed(() => readSent(host, instances, timeLeft))
      : new Map<string, Usage>();
    if (!sent) return 0;
    const usages = await pMap(
      takingTurns(instances, ports.clock()),
      async (instance) => {
        const clients = looksAtClients ? await unlessFailed(() => askInstance(instance, timeLeft)) : undefined;
        return { instanceId: instance.instanceId, usage: { ...sent.get(instance.instanceId), ...clients } };
      },
      { concurrency: ASKED_AT_ONCE },
    );
    const outcomes = await pMap(
      usages,
      async ({ instanceId, usage }) => {
        before.set(instanceId, usage);
        for (const finding of findMisuse(last.get(instanceId), usage, rules.bounds))
          if (await takeUp(host, instanceId, finding)) return true;
        return false;
      },
      { concurrency: 4 },
    );
    return outcomes.filter(Boolean).length;
  }

  async function readSent(
    host: EngineHost,
    instances: readonly HeldInstance[],
    timeLeft: TimeLeft,
  ): Promise<Map<string, Usage>> {
    const ids = instances.map(({ instanceId }) => instanceId);
    const sent = await ports.engines.readSent(host, ids, timeLeft());
    const atMs = ports.clock().getTime();
    return new Map(sent.map(({ instanceId, sentBytes }) => [instanceId, { sentBytes: { atMs, count: sentBytes } }]));
  }

  async function askInstance({ instanceId, checkHost, port }: HeldInstance, timeLeft: TimeLeft): Promise<Usage> {
    const password = watchPassword(rules.serverSecret, instanceId);
    const usage = await ports.readClientUsage(checkHost, port, password, Math.min(ANSWER_MS, timeLeft()));
    if (!usage) return {};
    return { logins: { atMs: ports.clock().getTime(), count: usage.logins }, subscribers: usage.subscribers };
  }

  /** Reports a finding, or ends the instance when it has gone on too long. Resolves to whether it was ended. */
  async function takeUp(host: EngineHost, instanceId: string, finding: MisuseFinding): Promise<boolean> {
    const now = ports.clock();
    const firstAt = await ports.store.misuse.keep(instanceId, finding, now, LONGEST_GAP_MS);
    const what = `instance ${instanceId} ${inWords(finding)}`;
    const about = { actor: "misuse", host: host.name, instance: instanceId } as const;
    if (rules.mode === "report" || now.getTime() - firstAt.getTime() < rules.graceMs) {
      await ports.store.events.add({ ...about, kind: "misuse", alarm: true, reason: what, data: finding }, now);
      return false;
    }
    await endInstance(ports, { instanceId, state: "running", host }, "misuse");
    const reason = `${what}, for ${Math.round((now.getTime() - firstAt.getTime()) / 1000)} s`;
    await ports.store.events.add({ ...about, kind: "end", reason, data: { cause: "misuse" } }, now);
    return true;
  }
}

/** What a host or a visit of it gives, or undefined when the host does not answer or the visit's time is used up. */
async function unlessFailed<Result>(ask: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await ask();
  } catch (fault) {
    if (fault instanceof EngineFault) return undefined;
    throw fault;
  }
}

function inWords({ rule, bound }: MisuseFinding): string {
  if (rule === "egress") return `sends more than ${bound} MB a minute`;
  if (rule === "logins") return `is logged in to more than ${bound} times a minute`;
  return `has subscribers at more than ${bound} addresses`;
}
