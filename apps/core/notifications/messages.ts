import { endOfHostAlarm, type Alarm, type AlarmFacts } from "./alarms.ts";

/** What a message says has happened. */
export type MessageType =
  | "alarm.began"
  | "alarm.ended"
  | "host.lost"
  | "host.recovered"
  | "host.removed"
  | "misuse.began"
  | "misuse.ended"
  | "test";

/** Ways by which operators are told. */
export const channels = ["webhook", "mail"] as const;

export type Channel = (typeof channels)[number];

/** A message for one channel. */
export type NewMessage = {
  /** The same over all attempts and channels: by it a receiver knows a message that it has had already. */
  readonly messageId: string;
  readonly channel: Channel;
  readonly type: MessageType;
  /** JSON as it is sent, see {@link Payload}. */
  readonly payload: string;
};

/** What is sent, in the form of the Standard Webhooks specification. */
export type Payload = {
  readonly type: MessageType;
  /** When it happened, ISO 8601. */
  readonly timestamp: string;
  readonly data: {
    /** A sentence for people. */
    readonly text: string;
    /** What the alarm is about: its beginning and its end have the same. Null in a test. */
    readonly alarm: string | null;
    readonly kind: string | null;
    readonly host: string | null;
    readonly instance: string | null;
    /** When the alarm began, ISO 8601. */
    readonly since: string | null;
  };
};

const LONGEST_TEXT = 600;
const beginnings = { alarm: "alarm.began", host: "host.lost", misuse: "misuse.began" } as const;

/** The payload that tells the beginning of an alarm. */
export function beginningOf(alarm: Alarm, since: Date, now: Date): Payload {
  return payloadOf(beginnings[alarm.topic], alarm, alarm.reason, since, now);
}

/** The payload that tells the end of an alarm. */
export function endOf(alarm: Alarm, since: Date, facts: Pick<AlarmFacts, "hosts">, now: Date): Payload {
  if (alarm.topic === "host") {
    const how = endOfHostAlarm(alarm.host, facts.hosts);
    const text =
      how === "recovered"
        ? `Host ${alarm.host ?? ""} is healthy again.`
        : `Host ${alarm.host ?? ""} is unhealthy and takes no part any more: it was closed, drained or removed.`;
    return payloadOf(`host.${how}`, alarm, text, since, now);
  }
  const type = alarm.topic === "misuse" ? "misuse.ended" : "alarm.ended";
  return payloadOf(type, alarm, `This is over: ${alarm.reason}`, since, now);
}

/** The payload of a test. */
export function testPayload(now: Date): Payload {
  const text = "This is a test. You are told of alarms in this way.";
  const data = { text, alarm: null, kind: null, host: null, instance: null, since: null };
  return { type: "test", timestamp: now.toISOString(), data };
}

function payloadOf(
  type: MessageType,
  { key, kind, host, instance }: Alarm,
  text: string,
  since: Date,
  now: Date,
): Payload {
  const data = { text: text.slice(0, LONGEST_TEXT), alarm: key, kind, host, instance, since: since.toISOString() };
  return { type, timestamp: now.toISOString(), data };
}

const SECOND = 1000;
const FIRST_PAUSE_MS = 10 * SECOND;
const LONGEST_PAUSE_MS = 4 * 3600 * SECOND;
/** Share by which a pause is longer or shorter by chance, so that what failed together does not come together again. */
const JITTER = 0.2;

/**
 * Time from a failed attempt to the next: 10 s after the first, then three times as long each time, four hours at
 * most.
 * @param attempts made so far, 1 or more
 * @param chance from 0 to 1
 */
export function pauseMs(attempts: number, chance: number): number {
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 3 ** (attempts - 1));
  return Math.round(pause * (1 - JITTER + 2 * JITTER * chance));
}
