import { Type, type Static } from "typebox";
import type { Events } from "../../../core/events/contract.ts";
import { eventActors, eventKinds, type KeptEvent } from "../../../core/events/event.ts";
import { seesVisitors, withoutVisitors } from "../../../core/operator/viewer.ts";
import type { App } from "../../app.ts";
import { callerOf } from "./callers.ts";
import { forViewer } from "./schemas.ts";

const OpsEvent = Type.Object(
  {
    id: Type.Integer({ description: "Number of the event. A newer event has a higher one." }),
    at: Type.String({ format: "date-time", description: "When it happened first." }),
    lastAt: Type.String({ format: "date-time", description: "When it was reported last." }),
    times: Type.Integer({ description: "How often it was reported without a change." }),
    actor: Type.Enum([...eventActors], { description: "Who decided or acted." }),
    by: Type.Union([Type.String(), Type.Null()], {
      description: "Name of the operator who acted. null for all others, and for acts older than this field.",
    }),
    kind: Type.Enum([...eventKinds], { description: "What happened." }),
    host: Type.Union([Type.String(), Type.Null()], { description: "Name of the host that it is about." }),
    instance: Type.Union([Type.String(), Type.Null()], { description: "Id of the instance that it is about." }),
    alarm: Type.Boolean({ description: "Whether a person has to act." }),
    reason: Type.String({ description: "Why, in a sentence." }),
    data: Type.Unsafe<KeptEvent["data"]>(
      Type.Union([Type.Object({}, { additionalProperties: true }), Type.Null()], {
        description:
          "Data for programs, by kind: order {size}, adopt and sweep {dropletId}, join {secondsAfterOrder}, " +
          "end {cause}, extend {from, to}, block, unblock, add-address and " +
          "remove-address {address}, pause and resume {switch}, run {job}, " +
          "add-operator and change-operator {operator, role, expiresAt}, revoke-operator {operator}; " +
          "null for other kinds, and for events older than this field.",
      }),
    ),
  },
  { title: "Event", description: "A decision or an act, with its reason." },
);
/** An event as the operator reads it. */
export type OpsEvent = Static<typeof OpsEvent>;
const EventQuery = Type.Object(
  {
    host: Type.Optional(Type.String({ maxLength: 63, description: "Name of a host: only events about it." })),
    instance: Type.Optional(Type.String({ maxLength: 16, description: "Id of an instance: only events about it." })),
    kind: Type.Optional(Type.String({ maxLength: 32, description: "Only events of this kind." })),
    before: Type.Optional(Type.String({ pattern: "^\\d{1,15}$", description: "Id of an event: only older ones." })),
    after: Type.Optional(Type.String({ pattern: "^\\d{1,15}$", description: "Id of an event: only newer ones." })),
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
          operationId: "listEvents",
          summary: "List events",
          description:
            `Lists what was decided and done, by whom and why, the newest first, ${MOST_EVENTS} at most. ` +
            "Changes that owners make to their leases are listed only with an instance or a kind in the query. " +
            "Viewers get events of blocks without addresses.",
          querystring: EventQuery,
          response: { 200: Type.Array(OpsEvent) },
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
