import pMap from "p-map";
import type { Events } from "../events/contract.ts";
import type { MisuseRule } from "../events/names.ts";
import { EngineFault } from "../fleet/engine-fault.ts";
import type { EngineHost } from "../fleet/host.ts";
import { goRound, type RoundLimits, type RoundPorts, type TimeLeft } from "../fleet/round.ts";
import type { InstanceEngines, Leases } from "../instances/contract.ts";
import { endInstance, type EndPorts } from "../instances/end-instance.ts";
import type { Misuse } from "./contract.ts";

/** What an instance has used since its container began, at a moment in milliseconds. */
export type Usage = { readonly atMs: number; readonly sentBytes: number };

/** Bounds beyond which use looks like misuse; what is undefined is not looked at. */
export type MisuseBounds = { readonly egressMbPerMinute: number | undefined };

/** What was found beyond a bound, in the unit of its rule: megabytes a minute. */
export type MisuseFinding = { readonly rule: MisuseRule; readonly value: number; readonly bound: number };

/** The bounds, and what is done about a finding: reported only, or ended when it has lasted `graceMs`. */
export type MisuseRules = { readonly bounds: MisuseBounds; readonly mode: "report" | "end"; readonly graceMs: number };

/** What watching for misuse needs. */
export type MisusePorts = RoundPorts &
  EndPorts & {
    readonly store: {
      readonly misuse: Pick<Misuse, "keep">;
      readonly leases: Pick<Leases, "listHeld">;
      readonly events: Pick<Events, "add">;
    };
    readonly engines: Pick<InstanceEngines, "readSent">;
  };

const MINUTE_MS = 60_000;
const MEGABYTE = 1_000_000;
/** Findings further apart are two, and the later one is reported before anything is done about it. */
const LONGEST_GAP_MS = 3 * MINUTE_MS;
/** Usage over a shorter time says little about a minute. */
const SHORTEST_SPAN_MS = MINUTE_MS / 4;

/** What looks like misuse of an instance between two readings of its usage. */
export function findMisuse(before: Usage, now: Usage, { egressMbPerMinute }: MisuseBounds): MisuseFinding[] {
  const spanMs = now.atMs - before.atMs;
  if (spanMs < SHORTEST_SPAN_MS || egressMbPerMinute === undefined) return [];
  // Less than before: its container was started again in between.
  const sent = now.sentBytes < before.sentBytes ? now.sentBytes : now.sentBytes - before.sentBytes;
  const value = Math.round((sent / MEGABYTE / spanMs) * MINUTE_MS);
  return value > egressMbPerMinute ? [{ rule: "egress", value, bound: egressMbPerMinute }] : [];
}

/**
 * Watches for what looks like misuse. What it gives back is called each minute: it compares each instance's usage with
 * that of the call before, reports what is beyond the bounds as an alarm, and ends an instance when the mode says so
 * and a finding that was reported has gone on for the time of grace. Hosts that do not answer are passed over.
 * Several processes may watch at once. Resolves to how many it ended.
 */
export function watchMisuse(ports: MisusePorts, rules: MisuseRules, limits: RoundLimits): () => Promise<number> {
  let before = new Map<string, Usage>();

  return async () => {
    if (rules.bounds.egressMbPerMinute === undefined) return 0;
    const held = await ports.store.leases.listHeld();
    const running = held
      .filter(({ state }) => state === "running")
      .map(({ instanceId, host }) => ({ instanceId, host }));
    const last = before;
    before = new Map();
    const byHost = Map.groupBy(running, ({ host }) => host.name);
    const hosts = [...byHost.values()].flatMap(([first]) => first?.host ?? []);
    const ended = await goRound(ports, hosts, limits, async (host, timeLeft) => {
      const ids = (byHost.get(host.name) ?? []).map(({ instanceId }) => instanceId);
      return watchHost(host, ids, last, timeLeft);
    });
    return ended.reduce((sum, count) => sum + count, 0);
  };

  async function watchHost(
    host: EngineHost,
    ids: readonly string[],
    last: ReadonlyMap<string, Usage>,
    timeLeft: TimeLeft,
  ): Promise<number> {
    let sent: Awaited<ReturnType<InstanceEngines["readSent"]>>;
    try {
      sent = await ports.engines.readSent(host, ids, timeLeft());
    } catch (fault) {
      if (fault instanceof EngineFault) return 0;
      throw fault;
    }
    const outcomes = await pMap(
      sent,
      async ({ instanceId, sentBytes }) => {
        const now = { atMs: ports.clock().getTime(), sentBytes };
        before.set(instanceId, now);
        const earlier = last.get(instanceId);
        const findings = earlier ? findMisuse(earlier, now, rules.bounds) : [];
        const acts = await pMap(findings, (finding) => takeUp(host, instanceId, finding), { concurrency: 1 });
        return acts.includes(true);
      },
      { concurrency: 4 },
    );
    return outcomes.filter(Boolean).length;
  }

  /** Reports a finding, or ends the instance when it has gone on too long. Resolves to whether it was ended. */
  async function takeUp(host: EngineHost, instanceId: string, finding: MisuseFinding): Promise<boolean> {
    const now = ports.clock();
    const firstAt = await ports.store.misuse.keep(instanceId, finding, now, LONGEST_GAP_MS);
    const what = `instance ${instanceId} sends more than ${finding.bound} MB a minute`;
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
