import type { Events } from "../events/contract.ts";
import type { Membership } from "../edge/contract.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import type { JobRuns } from "../operator/contract.ts";
import { whileKnown } from "../../lib/unavailable.ts";
import { findAlarms, isUnknown, lasts, needsPatience, REPORTED_MS, type Alarm, type AlarmFacts } from "./alarms.ts";
import type { KeptAlarm, Notifications } from "./contract.ts";
import { beginningOf, endOf, type Channel, type NewMessage, type Payload } from "./messages.ts";
import type { Topic } from "./alarms.ts";

/** What following the alarms needs. */
export type FollowAlarmsPorts = {
  readonly store: {
    readonly notifications: Pick<Notifications, "listAlarms" | "seeAlarm" | "tellAlarm" | "endAlarm">;
    readonly events: Pick<Events, "listAlarms">;
    readonly runs: Pick<JobRuns, "list">;
  };
  readonly fleet: Pick<FleetCache, "refresh" | "standings" | "isBlind">;
  /** Undefined without an edge. */
  readonly edge?: Pick<Membership, "list"> | undefined;
  readonly newMessageId: () => string;
  readonly clock: () => Date;
};

/** What operators want to be told, and how. */
export type FollowAlarmsRules = {
  readonly topics: readonly Topic[];
  readonly channels: readonly Channel[];
  /** How long an alarm that may be over by itself must go on before it is told. */
  readonly afterMs: number;
};

const MOST_REPORTED = 200;

/**
 * Compares the alarms that go on with those that are kept: tells what has begun and what is over, each once, by
 * keeping messages for each channel. Several processes may do so at once. Resolves to how many alarms it has told.
 */
export async function followAlarms(ports: FollowAlarmsPorts, rules: FollowAlarmsRules): Promise<number> {
  const { notifications } = ports.store;
  const [facts, kept] = await Promise.all([readFacts(ports), notifications.listAlarms()]);
  const now = ports.clock();
  const found = new Map(findAlarms(facts, now).map((alarm) => [alarm.key, alarm]));
  const known = new Map(kept.map((alarm) => [alarm.key, alarm]));
  let told = 0;
  for (const alarm of found.values()) {
    await notifications.seeAlarm(alarm, now);
    const { firstAt = now, toldAt = null } = known.get(alarm.key) ?? {};
    if (toldAt !== null || (needsPatience(alarm) && now.getTime() - firstAt.getTime() < rules.afterMs)) continue;
    const messages = messagesOf(ports, rules, alarm, beginningOf(alarm, firstAt, now), facts);
    if (await notifications.tellAlarm(alarm.key, messages, now)) told++;
  }
  for (const alarm of kept.filter(({ key }) => !found.has(key))) {
    if (isUnknown(alarm, facts) || isShortBreak(alarm, rules, now)) continue;
    const isTold = alarm.toldAt !== null && lasts(alarm);
    const messages = isTold ? messagesOf(ports, rules, alarm, endOf(alarm, alarm.firstAt, facts, now), facts) : [];
    if ((await notifications.endAlarm(alarm.key, alarm.lastAt, messages, now)) && isTold) told++;
  }
  return told;
}

/** An alarm that was told must be gone for as long as it had to go on: one that comes and goes is told once. */
function isShortBreak(alarm: KeptAlarm, { afterMs }: FollowAlarmsRules, now: Date): boolean {
  return alarm.toldAt !== null && needsPatience(alarm) && now.getTime() - alarm.lastAt.getTime() < afterMs;
}

async function readFacts({ store, fleet, edge, clock }: FollowAlarmsPorts): Promise<AlarmFacts> {
  const now = clock();
  // While Redis does not answer, heartbeats grow old, and the cache says so.
  await fleet.refresh(now).catch(() => undefined);
  const [jobs, gateways, reported] = await Promise.all([
    store.runs.list(),
    edge && whileKnown(edge.list(), "redis").then((living) => living ?? null),
    store.events.listAlarms(new Date(now.getTime() - REPORTED_MS), MOST_REPORTED),
  ]);
  return { isBlind: fleet.isBlind(now), hosts: fleet.standings(now), jobs, gateways, reported };
}

function messagesOf(
  { newMessageId }: FollowAlarmsPorts,
  { topics, channels }: FollowAlarmsRules,
  alarm: Alarm,
  payload: Payload,
  { reported }: AlarmFacts,
): NewMessage[] {
  if (!topics.includes(alarm.topic)) return [];
  const messageId = newMessageId();
  return channels
    .filter((channel) => channel !== failedChannel(alarm, reported))
    .map((channel) => ({ messageId, channel, type: payload.type, payload: JSON.stringify(payload) }));
}

/** The channel that an alarm says does not work: it is not told there. */
function failedChannel(alarm: Alarm, reported: AlarmFacts["reported"]): Channel | undefined {
  if (alarm.kind !== "notify-failed") return undefined;
  const event = reported.find(({ id }) => alarm.key === `notify-failed:${id}`);
  return event?.kind === "notify-failed" ? event.data?.channel : undefined;
}
