import { Type } from "typebox";
import { InstanceId, InstanceState, refusals, refusalsAndFaults } from "../schemas.ts";
import { REDIS_USERNAME } from "../../../core/services/redis.ts";

const Handout = Type.Object({
  id: Type.String(),
  host: Type.String(),
  port: Type.Integer(),
  username: Type.Literal(REDIS_USERNAME),
  password: Type.String({ description: "Shown in this answer and never again" }),
  url: Type.String({ description: "For redis-cli -u and client libraries" }),
  engine: Type.Enum(["redis", "valkey"], { description: "What runs in it" }),
  version: Type.String({ description: "Its version, such as 7.0.15" }),
  createdAt: Type.String({ format: "date-time" }),
  expiresAt: Type.String({ format: "date-time" }),
  token: Type.String({
    description: "Bearer token to read, extend and end the instance; shown in this answer and never again",
  }),
});
const ttlSeconds = Type.Integer({ description: "Lifetime in seconds" });
const Change = Type.Object({ ttlSeconds }, { additionalProperties: false });
/** People behind one address would give each other their instances with keys such as "test". */
const SHORTEST_KEY = 16;
const IdempotencyHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      minLength: SHORTEST_KEY,
      maxLength: 255,
      description:
        "Hard to guess, such as what uuidgen prints: whoever sends the same key from your address gets your instance. " +
        "The same key and body give the same instance while it runs",
    }),
  ),
});

/** What may be asked for of a new instance. */
export const HandoutRequest = Type.Object({ ttlSeconds: Type.Optional(ttlSeconds) }, { additionalProperties: false });

/** The form of its answer. */
export const HandoutFormat = Type.Object(
  { format: Type.Optional(Type.Enum(["json", "url", "env"], { description: "Overrides the Accept header" })) },
  { additionalProperties: false },
);

/** Schemas of the calls in this folder, for validation and for the API reference. */
export const schemas = {
  create: {
    tags: ["instances"],
    summary: "Get a Redis",
    description:
      "The answer comes once the instance has answered PONG to the password. " +
      "Accept: text/plain gives the bare URL, ?format=env a REDIS_URL= line.",
    consumes: ["application/json", "application/x-www-form-urlencoded"],
    produces: ["application/json", "text/plain", "text/html"],
    body: HandoutRequest,
    querystring: HandoutFormat,
    headers: IdempotencyHeaders,
    response: { 201: Type.Union([Handout, Type.String()]), ...refusalsAndFaults },
  },
  read: {
    tags: ["instances"],
    summary: "State of an instance",
    security: [{ owner: [] }],
    params: InstanceId,
    response: { 200: InstanceState, ...refusals },
  },
  change: {
    tags: ["instances"],
    summary: "Extend or shorten the lease: it ends ttlSeconds from now",
    security: [{ owner: [] }],
    params: InstanceId,
    body: Change,
    response: { 200: InstanceState, ...refusals },
  },
  end: {
    tags: ["instances"],
    summary: "End an instance",
    description:
      "204 when it is gone; 202 when its lease has ended but its host does not answer: " +
      "it goes as soon as the host does.",
    security: [{ owner: [] }],
    params: InstanceId,
    response: { 202: Type.Null(), 204: Type.Null(), ...refusals },
  },
};
