import { Type, type Static } from "typebox";
import type { Notifications } from "../../../core/notifications/contract.ts";
import { channels } from "../../../core/notifications/messages.ts";
import { sendTest, type SendTestPorts } from "../../../core/notifications/send-test.ts";
import type { ChannelTarget } from "../../../core/settings/notifications.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, moment } from "./schemas.ts";

/** What the calls on notifications need. */
export type OpsNotificationParts = SendTestPorts & {
  readonly store: { readonly notifications: Pick<Notifications, "list" | "listAlarms" | "count"> };
  readonly settings: { readonly channels: readonly ChannelTarget[] };
};

/** Messages shown. */
const SHOWN = 20;

const ChannelName = Type.Enum([...channels], { description: "A way to tell operators.", examples: ["webhook"] });
const OpsNotifications = Type.Object(
  {
    channels: Type.Array(
      Type.Object({
        channel: ChannelName,
        target: Type.String({ description: "Where it leads, without secrets." }),
        waiting: Type.Integer({ description: "Messages that are still to be delivered." }),
        givenUp: Type.Integer({ description: "Messages that could not be delivered." }),
      }),
      { description: "Ways that are set up." },
    ),
    alarms: Type.Array(
      Type.Object({
        alarm: Type.String({ description: "Name of the alarm." }),
        topic: Type.String({ description: "What it is about." }),
        kind: Type.String({ description: "Kind of the event that raised it." }),
        host: Type.Union([Type.String(), Type.Null()], { description: "Name of the host that it is about." }),
        instance: Type.Union([Type.String(), Type.Null()], { description: "Id of the instance that it is about." }),
        reason: Type.String({ description: "Why, in a sentence." }),
        since: Type.String({ format: "date-time", description: "Since when it goes on." }),
        toldAt: moment("When operators were told. null: not yet."),
      }),
      { description: "Alarms that go on." },
    ),
    recent: Type.Array(
      Type.Object({
        id: Type.String({ description: "The header webhook-id of the message." }),
        channel: ChannelName,
        type: Type.String({ description: "What the message is about." }),
        state: Type.String({ description: "waiting, sent or given-up." }),
        createdAt: Type.String({ format: "date-time", description: "When it was written." }),
        attempts: Type.Integer({ description: "How often it was sent so far." }),
        nextAt: moment("When it is sent again. null: it is not."),
        fault: Type.Union([Type.String(), Type.Null()], { description: "What went wrong last. null: nothing." }),
      }),
      { description: "The last messages, the newest first." },
    ),
  },
  { title: "Notifications", description: "How operators are told of alarms." },
);
const OpsNotificationTest = Type.Object(
  {
    delivered: Type.Boolean({ description: "Whether the message was delivered." }),
    result: Type.String({ description: "How it went, in words." }),
  },
  { title: "NotificationTest", description: "What came of a test message." },
);
export type OpsNotifications = Static<typeof OpsNotifications>;
export type OpsNotificationTest = Static<typeof OpsNotificationTest>;

const schemas = {
  show: {
    ...forViewer,
    operationId: "readNotifications",
    summary: "Read how operators are told of alarms",
    description: "Tells the ways that are set up, the alarms that go on, and the last messages.",
    response: { 200: OpsNotifications },
  },
  test: {
    ...forOperator,
    summary: "Send a test message",
    description: "Sends a message once by the way that alarms take, and tells how it went.",
    operationId: "testNotification",
    body: Type.Object(
      { channel: ChannelName },
      { additionalProperties: false, title: "NewNotificationTest", description: "The way to test." },
    ),
    response: { 200: OpsNotificationTest },
    refusals: ["no-channel", "no-jobs-process"] satisfies ProblemName[],
  },
};

/** Notifications: what is set up, what is on its way, and a test. */
export function opsNotificationRoutes(parts: OpsNotificationParts) {
  const { notifications } = parts.store;
  const { channels: targets } = parts.settings;

  return (app: App) => {
    app.get("/ops/api/notifications", { schema: schemas.show }, async (): Promise<OpsNotifications> => {
      const [counts, alarms, messages] = await Promise.all([
        notifications.count(),
        notifications.listAlarms(),
        notifications.list(SHOWN),
      ]);
      const countOf = (channel: string, state: string) =>
        counts.find((count) => count.channel === channel && count.state === state)?.messages ?? 0;
      return {
        channels: targets.map(({ channel, target }) => ({
          channel,
          target,
          waiting: countOf(channel, "waiting"),
          givenUp: countOf(channel, "given-up"),
        })),
        alarms: alarms.map(({ key, topic, kind, host, instance, reason, firstAt, toldAt }) => ({
          alarm: key,
          topic,
          kind,
          host,
          instance,
          reason,
          since: firstAt.toISOString(),
          toldAt: toldAt?.toISOString() ?? null,
        })),
        recent: messages.map(({ messageId, channel, type, state, createdAt, attempts, nextAt, fault }) => ({
          id: messageId,
          channel,
          type,
          state,
          createdAt: createdAt.toISOString(),
          attempts,
          nextAt: state === "waiting" ? nextAt.toISOString() : null,
          fault,
        })),
      };
    });

    app.post("/ops/api/notifications/test", { schema: schemas.test }, async (request): Promise<OpsNotificationTest> => {
      const { channel } = request.body;
      if (!targets.some((target) => target.channel === channel)) throw new ProblemError(problems.noChannel(channel));
      const result = await sendTest(parts, channel);
      request.log.info({ by: callerOf(request).name, channel, result: result.kind }, "operator sent a test message");
      switch (result.kind) {
        case "sent":
          return { delivered: true, result: "Delivered." };
        case "failed":
          return { delivered: false, result: `Not delivered: ${result.fault}.` };
        case "unknown":
          return {
            delivered: false,
            result: "Not known yet: the jobs process is busy. See the list of messages later.",
          };
        case "nobody-listens":
          throw new ProblemError(problems.nobodyListens());
      }
    });
  };
}
