import { Type } from "typebox";
import { INSTANCE_NAME } from "../callers/instance-name.ts";
import { REDIS_USERNAME } from "../../core/services/redis.ts";

/** Parameters of the operator's paths below /ops/api/instances/:id. */
export const InstanceId = Type.Object({
  id: Type.String({ pattern: "^[0-9a-z]{16}$", description: "Id of the instance.", examples: ["5sq9fsfr26iw58ze"] }),
});

/** Marks a call in the API's reference as one of the instance's holder. */
export const asHolder = [{ owner: [] }, { password: [] }];

/** Parameters of paths below /instances/:id, for the instance's holder. */
export const InstanceName = Type.Object({
  id: Type.String({
    pattern: INSTANCE_NAME,
    maxLength: 100,
    description: "Id of the instance, or its address as host:port.",
    examples: ["5sq9fsfr26iw58ze"],
  }),
});

const moment = (description: string) => Type.String({ format: "date-time", description });

/** What an instance and its state have in common. */
export const instanceFields = {
  id: Type.String({ pattern: "^[0-9a-z]{16}$", description: "Id of the instance." }),
  host: Type.String({ description: "Name or IP address of the Redis." }),
  port: Type.Integer({ minimum: 1, maximum: 65_535, description: "Port of the Redis." }),
  username: Type.Literal(REDIS_USERNAME, { description: "Redis user to log in as." }),
  createdAt: moment("When the instance was asked for."),
  expiresAt: moment("When the instance ends by itself."),
};

const Transfer = Type.Object(
  {
    sentBytes: Type.Integer({ description: "Bytes sent so far. They are counted about every half minute." }),
    limitBytes: Type.Union([Type.Integer(), Type.Null()], {
      description: "Bytes that the instance may send in its life. null: no limit.",
    }),
    throttled: Type.Boolean({ description: "Whether the limit is reached. The instance then answers at 64 KB/s." }),
  },
  { title: "Transfer", description: "What the instance has sent to its clients." },
);

/** An instance as its owner and the operator see it. */
export const InstanceState = Type.Object(
  {
    ...instanceFields,
    state: Type.Union(
      [Type.Literal("starting"), Type.Literal("running"), Type.Literal("ending"), Type.Literal("ended")],
      { description: "Where the instance is in its life." },
    ),
    transfer: Transfer,
    endedAt: Type.Union([moment("When the instance ended."), Type.Null()]),
    endCause: Type.Union([Type.String(), Type.Null()], {
      description:
        "Why the instance ended: expired, owner, operator, failed, abandoned, lost or misuse. null while it runs.",
    }),
    contact: Type.Optional(
      Type.String({ description: "Mail address or URL of the operator, if they or a rule against misuse ended it." }),
    ),
    engine: Type.Union([Type.String(), Type.Null()], { description: "Server in the instance: redis or valkey." }),
    version: Type.Union([Type.String(), Type.Null()], { description: "Version of the server, such as 7.0.15." }),
    lastRestart: Type.Union(
      [
        Type.Object({
          at: moment("When the server restarted."),
          cause: Type.String({ description: "Why the server stopped: out-of-memory, crashed or unknown." }),
        }),
        Type.Null(),
      ],
      {
        description:
          "The last time that the server stopped by itself. It restarted empty, with the same address and password.",
      },
    ),
  },
  { title: "Instance", description: "State of an instance. The password is never in it." },
);

/** Lifetime of an instance. The reference tells the bounds that this service has, see `finishDocument`. */
export const ttlSeconds = Type.Integer({ description: "Lifetime in seconds, counted from now." });

/** A new end of an instance. */
export const NewLease = Type.Object(
  { ttlSeconds },
  { additionalProperties: false, title: "NewLease", description: "When the instance ends from now on." },
);

/** Answers of the calls that end an instance. */
export const endAnswers = {
  202: Type.Null({
    description:
      "The instance has ended, but its host does not answer. The container is removed once the host is back.",
  }),
  204: Type.Null({ description: "The instance is gone." }),
};
