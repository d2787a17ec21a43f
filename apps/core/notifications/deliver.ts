import pMap from "p-map";
import type { Events } from "../events/contract.ts";
import type { KeptMessage, Notifications, Send, SendFault } from "./contract.ts";
import { pauseMs, type Channel } from "./messages.ts";

/** What delivering needs; `send` has the channels that are set up. */
export type DeliverPorts = {
  readonly store: {
    readonly notifications: Pick<Notifications, "take" | "takeTogether" | "finish">;
    readonly events: Pick<Events, "add">;
  };
  readonly send: Readonly<Partial<Record<Channel, Send>>>;
  readonly clock: () => Date;
  /** From 0 to 1. */
  readonly chance: () => number;
};

/** Bounds of the delivery. */
export type DeliverRules = {
  /** Time that an attempt may take. */
  readonly timeoutMs: number;
  /** Age at which a message is given up. */
  readonly giveUpMs: number;
  /** Least time between two mails; what happens meanwhile comes in one. */
  readonly mailGapMs: number;
};

const SECOND = 1000;
const MOST_WEBHOOKS = 20;
const AT_ONCE = 4;
const MOST_IN_MAIL = 200;

/**
 * Sends the messages that are due, and notes how it went: what fails is tried again later, and given up when it is too
 * old. Several processes may deliver at once, and no message is sent by two of them at the same time; one that died
 * while it sent leaves its messages to be sent again.
 */
export async function deliver(ports: DeliverPorts, rules: DeliverRules): Promise<void> {
  const { webhook, mail } = ports.send;
  await Promise.all([webhook && deliverWebhooks(ports, webhook, rules), mail && deliverMail(ports, mail, rules)]);
}

async function deliverWebhooks(ports: DeliverPorts, send: Send, rules: DeliverRules): Promise<void> {
  const now = ports.clock();
  // One after another may be sent by the same turn.
  const turns = Math.ceil(MOST_WEBHOOKS / AT_ONCE);
  const heldUntil = new Date(now.getTime() + (turns + 1) * rules.timeoutMs + SECOND);
  const messages = await ports.store.notifications.take("webhook", MOST_WEBHOOKS, now, heldUntil);
  await pMap(messages, async (message) => finish(ports, rules, [message], await send([message])), {
    concurrency: AT_ONCE,
  });
}

/** All that has happened since the last mail comes in one; a test comes alone. */
async function deliverMail(ports: DeliverPorts, send: Send, rules: DeliverRules): Promise<void> {
  const now = ports.clock();
  // Two mails, a test and another, each of which may take twice the time of an answer.
  const heldUntil = new Date(now.getTime() + 5 * rules.timeoutMs + SECOND);
  const messages = await ports.store.notifications.takeTogether("mail", MOST_IN_MAIL, now, heldUntil, rules.mailGapMs);
  const [tests, others] = [
    messages.filter(({ type }) => type === "test"),
    messages.filter(({ type }) => type !== "test"),
  ];
  for (const mail of [tests, others]) if (mail.length > 0) await finish(ports, rules, mail, await send(mail));
}

async function finish(
  { store, clock, chance }: DeliverPorts,
  { giveUpMs }: DeliverRules,
  messages: readonly KeptMessage[],
  fault: SendFault,
): Promise<void> {
  const now = clock();
  for (const { messageId, channel, type, createdAt, attempts } of messages) {
    const note = (result: Parameters<Notifications["finish"]>[2]) =>
      store.notifications.finish(messageId, channel, result, now);
    if (fault === undefined) {
      await note({ kind: "sent" });
      continue;
    }
    const nextAt = new Date(now.getTime() + pauseMs(attempts + 1, chance()));
    const isGivenUp = type === "test" || nextAt.getTime() - createdAt.getTime() > giveUpMs;
    await note(isGivenUp ? { kind: "given-up", fault } : { kind: "again", fault, nextAt });
    if (!isGivenUp || type === "test") continue;
    const reason =
      `The ${channel} about ${type} of ${createdAt.toISOString()} was given up after ${attempts + 1} attempts. ` +
      `The last fault: ${fault}`;
    await store.events.add({ actor: "notify", kind: "notify-failed", alarm: true, reason, data: { channel } }, now);
  }
}
