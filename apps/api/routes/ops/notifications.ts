import { Type, type Static } from "typebox";
import type { Notifications } from "../../../core/notifications/contract.ts";
import { channels } from "../../../core/notifications/messages.ts";
import { sendTest, type SendTestPorts } from "../../../core/notifications/send-test.ts";
import type { ChannelTarget } from "../../../core/settings/notifications.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import { refusalsAndFaults } from "../schemas.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, Moment } from "./schemas.ts";

/** What the calls on notifications need. */
export type OpsNotificationParts = SendTestPorts & {
  readonly store: { readonly notifications: Pick<Notifications, "list" | "listAlarms" | "count"> };
  readonly settings: { readonly channels: readonly ChannelTarget[] };
};

/** Messages shown. */
const SHOWN = 20;

const ChannelName = Type.Enum([...channels]);
const OpsNotifications = Type.Object({
  channels: Type.Array(
    Type.Object({
      channel: ChannelName,
      target: Type.String({ description: "where it leads, without secrets" }),
      waiting: Type.Integer({ description: "messages that are still to be delivered" }),
      givenUp: Type.Integer({ description: "messages that could not be delivered" }),
    }),
    { description: "ways that are set up" },
  ),
  alarms: Type.Array(
    Type.Object({
      alarm: Type.String(),
      topic: Type.String(),
      kind: Type.String(),
      host: Type.Union([Type.String(), Type.Null()]),
      instance: Type.Union([Type.String(), Type.Null()]),
      reason: Type.String(),
      since: Moment,
      toldAt: Moment,
    }),
    { description: "alarms that go on, told or not yet told" },
  ),
  recent: Type.Array(
    Type.Object({
      id: Type.String({ description: "the header webhook-id" }),
      channel: ChannelName,
      type: Type.String(),
      state: Type.String({ description: "waiting, sent or given-up" }),
      createdAt: Moment,
      attempts: Type.Integer(),
      nextAt: Moment,
      fault: Type.Union([Type.String(), Type.Null()]),
    }),
    { description: "the last messages, newest first" },
  ),
});
const OpsNotificationTest = Type.Object({
  delivered: Type.Boolean(),
  result: Type.String({ description: "how it came out, in words" }),
});
export type OpsNotifications = Static<typeof OpsNotifications>;
export type OpsNotificationTest = Static<typeof OpsNotificationTest>;

const schemas = {
  show: {
    ...forViewer,
    summary: "How operators are told of alarms",
    operationId: "showNotifications",
    response: { 200: OpsNotifications, ...refusalsAndFaults },
  },
  test: {
    ...forOperator,
    summary: "Send a test message",
    description: "Sends it by the way that alarms take, once, and answers when it is known how it came out.",
    operationId: "testNotification",
    body: Type.Object({ channel: ChannelName }, { additionalProperties: false }),
    response: { 200: OpsNotificationTest, ...refusalsAndFaults },
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
