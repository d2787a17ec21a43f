import type { Alarm } from "./alarms.ts";
import type { Channel, NewMessage } from "./messages.ts";

/** An alarm that is kept; `toldAt` is null while nobody has been told. */
export type KeptAlarm = Alarm & {
  readonly firstAt: Date;
  readonly lastAt: Date;
  readonly toldAt: Date | null;
};

/** A message on its way, or at its end. */
export type KeptMessage = NewMessage & {
  readonly state: "waiting" | "sent" | "given-up";
  readonly createdAt: Date;
  /** Attempts that have failed, and the one that has not. */
  readonly attempts: number;
  /** When it is tried next, while it waits. */
  readonly nextAt: Date;
  /** Why the last attempt failed. */
  readonly fault: string | null;
  readonly finishedAt: Date | null;
};

/** How an attempt to deliver ended. */
export type AttemptResult =
  | { readonly kind: "sent" }
  | { readonly kind: "again"; readonly fault: string; readonly nextAt: Date }
  | { readonly kind: "given-up"; readonly fault: string };

/** How many messages of a channel are in a state. */
export type MessageCount = {
  readonly channel: Channel;
  readonly state: "waiting" | "given-up";
  readonly messages: number;
};

/** Alarms that go on, and messages about them. Calls throw `Unavailable` while the store does not answer. */
export type Notifications = {
  readonly listAlarms: () => Promise<KeptAlarm[]>;
  /** Keeps an alarm that goes on, from now on when it is new. */
  readonly seeAlarm: (alarm: Alarm, now: Date) => Promise<void>;
  /**
   * Notes that an alarm is told, and keeps the messages that tell it, both or neither. False when it was told already:
   * of several processes one tells it.
   */
  readonly tellAlarm: (key: string, messages: readonly NewMessage[], now: Date) => Promise<boolean>;
  /**
   * Forgets an alarm that was seen last at `lastAt`, and keeps the messages that tell its end, both or neither. False
   * when it was seen again meanwhile, or another process has forgotten it.
   */
  readonly endAlarm: (key: string, lastAt: Date, messages: readonly NewMessage[], now: Date) => Promise<boolean>;
  /** Keeps a message that no alarm goes with. */
  readonly add: (message: NewMessage, now: Date) => Promise<void>;
  /**
   * Takes messages that are due, the longest due first, `most` of them at most: nobody else gets them until
   * `heldUntil`, when whoever took them must be dead.
   */
  readonly take: (channel: Channel, most: number, now: Date, heldUntil: Date) => Promise<KeptMessage[]>;
  /**
   * The same for a channel that sends several messages as one: takes none while another process has some, or when the
   * last was sent less than `gapMs` ago; a test is not counted and does not wait.
   */
  readonly takeTogether: (
    channel: Channel,
    most: number,
    now: Date,
    heldUntil: Date,
    gapMs: number,
  ) => Promise<KeptMessage[]>;
  /** Notes how an attempt ended. */
  readonly finish: (messageId: string, channel: Channel, result: AttemptResult, now: Date) => Promise<void>;
  readonly find: (messageId: string, channel: Channel) => Promise<KeptMessage | undefined>;
  /** Messages, newest first, `most` of them at most. */
  readonly list: (most: number) => Promise<KeptMessage[]>;
  /** Messages that wait or were given up; states of which there is none are left out. */
  readonly count: () => Promise<MessageCount[]>;
  /** Deletes messages that were made before a moment. Resolves to how many. */
  readonly prune: (before: Date) => Promise<number>;
};

/** What came of sending: undefined, or why it failed, in a sentence for people that holds no secret. */
export type SendFault = string | undefined;

/** Sends messages by a channel, as one. Never throws. */
export type Send = (
  messages: readonly { readonly messageId: string; readonly payload: string }[],
) => Promise<SendFault>;
