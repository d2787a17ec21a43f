import { Type, type Static } from "typebox";
import type { Events } from "../../../core/events/contract.ts";
import { eventActors, eventKinds, type KeptEvent } from "../../../core/events/event.ts";
import { seesVisitors, withoutVisitors } from "../../../core/operator/viewer.ts";
import type { App } from "../../app.ts";
import { callerOf } from "./callers.ts";
import { forViewer } from "./schemas.ts";
import { refusalsAndFaults } from "../schemas.ts";

const OpsEvent = Type.Object({
  id: Type.Integer(),
  at: Type.String({ format: "date-time" }),
  lastAt: Type.String({ format: "date-time" }),
  times: Type.Integer({ description: "how often it was reported unchanged" }),
  actor: Type.Enum([...eventActors]),
  by: Type.Union([Type.String(), Type.Null()], {
    description: "Name of the operator, for acts of operators; null for others, and for acts older than this field",
  }),
  kind: Type.Enum([...eventKinds]),
  host: Type.Union([Type.String(), Type.Null()]),
  instance: Type.Union([Type.String(), Type.Null()]),
  alarm: Type.Boolean({ description: "whether a person has to act" }),
  reason: Type.String(),
  data: Type.Unsafe<KeptEvent["data"]>(
    Type.Union([Type.Object({}, { additionalProperties: true }), Type.Null()], {
      description:
        "data for programs, by kind: order {size}, adopt and sweep {dropletId}, join {secondsAfterOrder}, " +
        "end {cause}, extend {from, to}, block and unblock {address}, pause and resume {switch}, run {job}, " +
        "add-operator and change-operator {operator, role, expiresAt}, revoke-operator {operator}; " +
        "null for other kinds, and for events older than this field",
    }),
  ),
});
/** An event as the operator reads it. */
export type OpsEvent = Static<typeof OpsEvent>;
const EventQuery = Type.Object(
  {
    host: Type.Optional(Type.String({ maxLength: 63 })),
    instance: Type.Optional(Type.String({ maxLength: 16 })),
    kind: Type.Optional(Type.String({ maxLength: 32 })),
    before: Type.Optional(Type.String({ pattern: "^\\d{1,15}$", description: "id of an event: only older ones" })),
    after: Type.Optional(Type.String({ pattern: "^\\d{1,15}$", description: "id of an event: only newer ones" })),
  },
  { additionalProperties: false },
);
/** Which events to list, as the query of a URL. */
export type OpsEventQuery = Static<typeof EventQuery>;
const MOST_EVENTS = 200;

/** What reading events needs. */
export type OpsEventParts = { readonly store: { readonly events: Pick<Events, "list"> } };

/** Events: decisions and actions. */
export function opsEventRoutes({ store }: OpsEventParts) {
  return (app: App) => {
    app.get(
      "/ops/api/events",
      {
        schema: {
          ...forViewer,
          summary: `What was decided and done, by whom and why, newest first, ${MOST_EVENTS} at most`,
          description:
            "Changes that owners make to their leases are listed only with an instance or a kind in the query. " +
            "Viewers get events of blocks without addresses.",
          querystring: EventQuery,
          response: { 200: Type.Array(OpsEvent), ...refusalsAndFaults },
        },
      },
      async (request) => {
        const { before, after, kind: word, ...filter } = request.query;
        const kind = eventKinds.find((each) => each === word);
        // The dashboard asks while its reader is still typing.
        if (word !== undefined && kind === undefined) return [];
        const narrowed = {
          ...(kind !== undefined && { kind }),
          ...(before !== undefined && { before: Number(before) }),
          ...(after !== undefined && { after: Number(after) }),
        };
        const events = await store.events.list({ ...filter, ...narrowed }, MOST_EVENTS);
        return (seesVisitors(callerOf(request).role) ? events : events.map(withoutVisitors)).map(describeEvent);
      },
    );
  };
}

/** An event in the form that the operator reads. */
export function describeEvent(event: KeptEvent): OpsEvent {
  return {
    ...event,
    at: event.at.toISOString(),
    lastAt: event.lastAt.toISOString(),
    by: event.by ?? null,
    host: event.host ?? null,
    instance: event.instance ?? null,
    alarm: event.alarm ?? false,
  };
}
