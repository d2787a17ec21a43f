import { Type } from "typebox";
import { INSTANCE_NAME } from "../callers/instance-name.ts";
import { REDIS_USERNAME } from "../../core/services/redis.ts";

/** What every error looks like (RFC 9457). */
export const ProblemBody = Type.Object(
  {
    type: Type.String({ description: "Stable name of the problem" }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: "What was wrong and what to do" }),
    contact: Type.Optional(
      Type.String({ description: "Mail address or URL of the operator, with refusals that the operator can undo" }),
    ),
    challenge: Type.Optional(Type.String({ description: "With urn:getaredis:proof-of-work-needed: what to solve" })),
    bits: Type.Optional(Type.Integer({ description: "Zero bits that the SHA-256 of the proof begins with" })),
  },
  { title: "Problem" },
);

/** Answers of a call that may be refused because of the request. */
export const refusals = { "4xx": ProblemBody };

/** Answers of a call that may also be refused because something on our side does not work now. */
export const refusalsAndFaults = { ...refusals, "5xx": ProblemBody };

/** Parameters of the operator's paths below /ops/api/instances/:id. */
export const InstanceId = Type.Object({ id: Type.String({ pattern: "^[0-9a-z]{16}$" }) });

/** Parameters of paths below /instances/:id, for the instance's holder. */
export const InstanceName = Type.Object({
  id: Type.String({
    pattern: INSTANCE_NAME,
    maxLength: 100,
    description: "Id of the instance, or its address as host:port, such as 127.0.0.1:20000",
  }),
});

const Transfer = Type.Object({
  sentBytes: Type.Integer({ description: "Sent since the instance began, read each half minute or so" }),
  limitBytes: Type.Union([Type.Integer(), Type.Null()], {
    description: "What it may send in its life; null: as much as it likes",
  }),
  throttled: Type.Boolean({ description: "It has sent all it may, and answers at 64 KB/s" }),
});

/** An instance as its owner and the operator see it. */
export const InstanceState = Type.Object({
  id: Type.String(),
  state: Type.Union([Type.Literal("starting"), Type.Literal("running"), Type.Literal("ending"), Type.Literal("ended")]),
  host: Type.String(),
  port: Type.Integer(),
  username: Type.Literal(REDIS_USERNAME),
  createdAt: Type.String({ format: "date-time" }),
  expiresAt: Type.String({ format: "date-time" }),
  transfer: Transfer,
  endedAt: Type.Union([Type.String({ format: "date-time" }), Type.Null()]),
  endCause: Type.Union([
    Type.String({ description: "expired, owner, operator, failed, abandoned, lost or misuse" }),
    Type.Null(),
  ]),
  contact: Type.Optional(
    Type.String({ description: "Mail address or URL of the operator, when they or a rule about misuse ended it" }),
  ),
  engine: Type.Union([Type.String({ description: "What runs in it: redis or valkey" }), Type.Null()]),
  version: Type.Union([Type.String({ description: "Its version, such as 7.0.15" }), Type.Null()]),
  lastRestart: Type.Union(
    [
      Type.Object({
        at: Type.String({ format: "date-time" }),
        cause: Type.String({ description: "out-of-memory, crashed or unknown" }),
      }),
      Type.Null(),
    ],
    { description: "When its server ended by itself; it came back empty, with the same address and password" },
  ),
});
