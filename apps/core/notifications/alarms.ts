import type { EventKind, KeptEvent } from "../events/event.ts";
import type { JobName } from "../events/names.ts";
import type { HostStanding } from "../fleet/fleet-cache.ts";
import { isHealthy, type Standing } from "../fleet/standing.ts";

/** What an alarm is about, by which operators choose what they are told. */
export const topics = ["alarm", "host", "misuse"] as const;

export type Topic = (typeof topics)[number];

/** Something that a person has to see to, for as long as it goes on. */
export type Alarm = {
  /** What it is about: two alarms with the same key are the same one. */
  readonly key: string;
  readonly topic: Topic;
  readonly kind: AlarmKind;
  readonly host: string | null;
  readonly instance: string | null;
  /** A sentence for people. */
  readonly reason: string;
};

/** Conditions of the service that are alarms; `host-…` is what is wrong with a host. */
export type AlarmKind = "heartbeats-unseen" | "no-gateway" | "no-room" | "job-stopped" | `host-${Symptom}` | EventKind;

type Symptom = Extract<Standing, "silent" | "heartbeat-refused" | "engine-silent" | "unreachable">;

/** What alarms are found in. */
export type AlarmFacts = {
  /** Whether it is unknown which hosts are alive. */
  readonly isBlind: boolean;
  readonly hosts: readonly HostStanding[];
  readonly jobs: readonly { readonly job: JobName; readonly startedAt: Date; readonly succeededAt: Date | null }[];
  /** Gateways that live; null while that is unknown, undefined without an edge. */
  readonly gateways?: readonly { readonly state: string }[] | null | undefined;
  /** Events with `alarm` that were reported within {@link REPORTED_MS}. */
  readonly reported: readonly KeptEvent[];
};

const MINUTE = 60_000;
/** An alarm of the journal goes on for as long as it is reported again within this time. */
export const REPORTED_MS = 5 * MINUTE;
/** A job has stopped when it has not succeeded for so long. */
const STOPPED_MS = 10 * MINUTE;
/** Without them leases outlive their end, or the fleet does not follow its use. */
const neededJobs: readonly JobName[] = ["reap", "reconcile", "scale"];
/** Events that are reported once: they begin, and nothing tells when they are over. */
const momentary: readonly EventKind[] = ["sweep", "settings", "transfer-alarm", "notify-failed"];

const symptomWords: Record<Symptom, string> = {
  silent: "no heartbeat arrives from it",
  "heartbeat-refused": "its heartbeat is refused",
  "engine-silent": "its Docker Engine does not answer",
  unreachable: "its Docker Engine cannot be reached from here",
};

/**
 * All alarms that go on at `now`: the one rule, of which the messages to operators are made. While it is unknown which
 * hosts are alive, nothing is said of single hosts or of room, see {@link isUnknown}.
 */
export function findAlarms({ isBlind, hosts, jobs, gateways, reported }: AlarmFacts, now: Date): Alarm[] {
  return [
    ...(isBlind ? [heartbeatsUnseen] : [...hosts.flatMap(hostAlarm), ...roomAlarms(hosts)]),
    ...(gateways && !gateways.some(({ state }) => state === "live" || state === "draining") ? [noGateway] : []),
    ...jobs.flatMap((run) => jobAlarm(run, now)),
    ...reported.flatMap(reportedAlarm),
  ];
}

/** Whether an alarm that is not found may go on all the same, because nobody can tell now. */
export function isUnknown(
  { kind }: Pick<Alarm, "kind">,
  { isBlind, gateways }: Pick<AlarmFacts, "isBlind" | "gateways">,
): boolean {
  if (kind === "no-gateway") return gateways === null;
  return isBlind && (kind === "no-room" || kind.startsWith("host-"));
}

/** Whether an alarm lasts, so that its end is told too. */
export function lasts({ kind }: Pick<Alarm, "kind">): boolean {
  return !momentary.some((each) => each === kind);
}

/** Whether an alarm is told only when it has gone on for a while: what is over by itself within seconds is not. */
export function needsPatience({ kind }: Pick<Alarm, "kind">): boolean {
  return kind.startsWith("host-") || kind === "heartbeats-unseen" || kind === "no-gateway" || kind === "no-room";
}

/** How an alarm about a host is over. */
export function endOfHostAlarm(name: string | null, hosts: readonly HostStanding[]): "recovered" | "removed" {
  const facts = hosts.find(({ host }) => host.name === name);
  return facts && isHealthy(facts) ? "recovered" : "removed";
}

const heartbeatsUnseen: Alarm = {
  key: "heartbeats-unseen",
  topic: "alarm",
  kind: "heartbeats-unseen",
  host: null,
  instance: null,
  reason:
    "No heartbeats can be read because Redis does not answer, so it is unknown which hosts are alive. " +
    "Nothing is handed out, and nothing is destroyed.",
};

const noGateway: Alarm = {
  key: "no-gateway",
  topic: "alarm",
  kind: "no-gateway",
  host: null,
  instance: null,
  reason:
    "No gateway lives, so no instance can be reached, and none is handed out. See the log of the gateways: each must " +
    "reach MySQL and Redis, and have its HAProxy run.",
};

function hostAlarm({ host: { name }, standing }: HostStanding): Alarm[] {
  if (!isSymptom(standing)) return [];
  const reason = `Host ${name} is unhealthy: ${symptomWords[standing]}. It gets no instances until it is well again.`;
  return [{ key: `host:${name}`, topic: "host", kind: `host-${standing}`, host: name, instance: null, reason }];
}

function isSymptom(standing: Standing): standing is Symptom {
  return standing in symptomWords;
}

function roomAlarms(hosts: readonly HostStanding[]): Alarm[] {
  if (hosts.some(({ standing }) => standing === "open")) return [];
  const reason =
    hosts.length === 0
      ? "There is no host, so every request for an instance is refused."
      : "No host has room, so every request for an instance is refused.";
  return [{ key: "no-room", topic: "alarm", kind: "no-room", host: null, instance: null, reason }];
}

function jobAlarm({ job, startedAt, succeededAt }: AlarmFacts["jobs"][number], now: Date): Alarm[] {
  const sinceMs = now.getTime() - (succeededAt ?? startedAt).getTime();
  if (!neededJobs.includes(job) || sinceMs < STOPPED_MS) return [];
  const reason = `The job ${job} has not succeeded for more than 10 minutes. Its fault is at /ops, under Jobs.`;
  return [{ key: `job:${job}`, topic: "alarm", kind: "job-stopped", host: null, instance: null, reason }];
}

/** Alarms about the delivery of messages are alarms as well. */
function reportedAlarm(event: KeptEvent): Alarm[] {
  const { id, kind, host, instance, reason } = event;
  const subject = [kind, host, instance, event.kind === "misuse" ? event.data?.rule : undefined];
  // What happens once is another alarm each time.
  const key = lasts({ kind }) ? subject.filter(Boolean).join(":") : `${kind}:${id}`;
  const topic = kind === "misuse" ? "misuse" : "alarm";
  return [{ key, topic, kind, host: host ?? null, instance: instance ?? null, reason }];
}
