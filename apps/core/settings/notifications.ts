import type { DeliverRules } from "../notifications/deliver.ts";
import type { FollowAlarmsRules } from "../notifications/follow-alarms.ts";
import type { Channel } from "../notifications/messages.ts";
import { topics } from "../notifications/alarms.ts";
import { optional, setting, type ValuesOf } from "./declaration.ts";
import { duration, mailAddress, mailAddresses, secretUrl, someOf, webhookSecret, webhookUrl } from "./kinds.ts";

/** How the operator is told of alarms: by webhook, by mail, or both. */
export const notifications = {
  webhookUrl: optional(
    "WEBHOOK_URL",
    webhookUrl,
    "Where alarms are sent as signed POST requests, in the form of the Standard Webhooks specification; it may be a " +
      "private address. Needs WEBHOOK_SECRET. Default: nowhere.",
  ),
  webhookSecret: optional(
    "WEBHOOK_SECRET",
    webhookSecret,
    "Secret by which webhooks are signed: whsec_ and 24 to 64 random bytes in base64, as made by " +
      '`echo "whsec_$(openssl rand -base64 32)"`.',
  ),
  smtpUrl: optional(
    "SMTP_URL",
    secretUrl("smtp:", "smtps:"),
    "Mail server by which alarms are sent, smtps://user:password@host:465 or smtp://host:587. A password is sent over " +
      "TLS only. Needs MAIL_FROM and MAIL_TO. Default: no mail.",
  ),
  mailFrom: optional("MAIL_FROM", mailAddress, "Mail address that mails about alarms come from."),
  mailTo: optional("MAIL_TO", mailAddresses, "Mail addresses that mails about alarms go to, separated by commas."),
  events: setting(
    "NOTIFY_EVENTS",
    someOf(topics),
    topics.join(","),
    "What webhooks and mails tell: host (a host is lost or back), misuse (an instance looks misused), " +
      "alarm (everything else that a person has to see to).",
  ),
  afterMs: setting(
    "NOTIFY_AFTER_SECONDS",
    duration(0, 86_400),
    120,
    "How long an unhealthy host, a lack of room or of heartbeats must last before it is told, and be over before " +
      "its end is told.",
  ),
  timeoutMs: setting("NOTIFY_TIMEOUT_SECONDS", duration(1, 60), 10, "Time that an attempt to deliver may take."),
  giveUpMs: setting(
    "NOTIFY_GIVE_UP_SECONDS",
    duration(60, 604_800),
    86_400,
    "Age at which a message that cannot be delivered is given up.",
  ),
  mailGapMs: setting(
    "MAIL_GAP_SECONDS",
    duration(0, 86_400),
    300,
    "Least time between two mails; what happens meanwhile comes in one.",
  ),
};

type NotificationSettings = ValuesOf<typeof notifications>;

/** A way by which the operator is told, and where it leads, as it may be shown: without secrets. */
export type ChannelTarget = { readonly channel: Channel; readonly target: string };

/** The channels that are set up. */
export function channelTargets({ webhookUrl, smtpUrl, mailTo }: NotificationSettings): ChannelTarget[] {
  return [
    // The path may hold a secret.
    ...(webhookUrl === undefined ? [] : [{ channel: "webhook" as const, target: new URL(webhookUrl).origin }]),
    ...(smtpUrl === undefined ? [] : [{ channel: "mail" as const, target: mailTo?.join(", ") ?? "" }]),
  ];
}

/** What the job of notifications goes by, out of the settings. */
export function notifyRules(settings: NotificationSettings): FollowAlarmsRules & DeliverRules {
  const { events, afterMs, timeoutMs, giveUpMs, mailGapMs } = settings;
  const channels = channelTargets(settings).map(({ channel }) => channel);
  return { topics: events, channels, afterMs, timeoutMs, giveUpMs, mailGapMs };
}

/** What is wrong between these settings. */
export function notificationFaults({
  webhookUrl,
  webhookSecret: key,
  smtpUrl,
  mailFrom,
  mailTo,
}: NotificationSettings): string[] {
  const needs = (name: string, other: string, isWrong: boolean) =>
    isWrong ? [`${name} is set, and ${other} is not: set both, or neither`] : [];
  return [
    ...needs("WEBHOOK_URL", "WEBHOOK_SECRET", webhookUrl !== undefined && key === undefined),
    ...needs("SMTP_URL", "MAIL_FROM", smtpUrl !== undefined && mailFrom === undefined),
    ...needs("SMTP_URL", "MAIL_TO", smtpUrl !== undefined && mailTo === undefined),
  ];
}
