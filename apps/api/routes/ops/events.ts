import { Type, type Static } from "typebox";
import type { Events } from "../../../core/events/contract.ts";
import type { KeptEvent } from "../../../core/events/event.ts";
import type { App } from "../../app.ts";
import { forOperator, Moment } from "./schemas.ts";
import { refusalsAndFaults } from "../schemas.ts";

const OpsEvent = Type.Object({
  id: Type.Integer(),
  at: Moment,
  lastAt: Moment,
  times: Type.Integer({ description: "how often it was said unchanged" }),
  actor: Type.String(),
  kind: Type.String(),
  host: Type.Union([Type.String(), Type.Null()]),
  instance: Type.Union([Type.String(), Type.Null()]),
  alarm: Type.Boolean({ description: "whether a person must see to it" }),
  reason: Type.String(),
});
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
const MOST_EVENTS = 200;

/** What reading the journal needs. */
export type OpsEventParts = { readonly store: { readonly events: Pick<Events, "list"> } };

/** The journal of decisions and acts. */
export function opsEventRoutes({ store }: OpsEventParts) {
  return (app: App) => {
    app.get(
      "/ops/api/events",
      {
        schema: {
          ...forOperator,
          summary: `What was decided and done, and why, newest first, ${MOST_EVENTS} at most`,
          querystring: EventQuery,
          response: { 200: Type.Array(OpsEvent), ...refusalsAndFaults },
        },
      },
      async (request) => {
        const { before, after, ...filter } = request.query;
        const range = {
          ...(before !== undefined && { before: Number(before) }),
          ...(after !== undefined && { after: Number(after) }),
        };
        return (await store.events.list({ ...filter, ...range }, MOST_EVENTS)).map(describeEvent);
      },
    );
  };
}

/** An event as ops read it. */
export function describeEvent(event: KeptEvent): Static<typeof OpsEvent> {
  return {
    ...event,
    at: event.at.toISOString(),
    lastAt: event.lastAt.toISOString(),
    host: event.host ?? null,
    instance: event.instance ?? null,
    alarm: event.alarm ?? false,
  };
}
