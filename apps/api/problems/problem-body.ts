import { Type } from "typebox";

/** What every problem looks like (RFC 9457). */
export const ProblemBody = Type.Object(
  {
    type: Type.String({ description: "Name of the problem. It never changes.", pattern: "^urn:getaredis:[a-z-]+$" }),
    title: Type.String({ description: "What the problem is, in some words." }),
    status: Type.Integer({ minimum: 400, maximum: 599, description: "Status of the answer." }),
    detail: Type.String({ description: "What happened, why, and what to do next." }),
    contact: Type.Optional(
      Type.String({ description: "Mail address or URL of the operator, if only the operator can help." }),
    ),
    nextFreeAt: Type.Optional(
      Type.String({
        format: "date-time",
        description: "With quota-exceeded and network-quota-exceeded: when the first instance expires.",
      }),
    ),
    role: Type.Optional(Type.String({ description: "With role-needed: role of the operator who called." })),
    needed: Type.Optional(Type.String({ description: "With role-needed: role that the call needs." })),
    challenge: Type.Optional(Type.String({ description: "With proof-of-work-needed: the challenge to solve." })),
    bits: Type.Optional(
      Type.Integer({ description: "With proof-of-work-needed: zero bits that the hash has to begin with." }),
    ),
    algorithm: Type.Optional(Type.String({ description: "With proof-of-work-needed: name of the hash." })),
    header: Type.Optional(Type.String({ description: "With proof-of-work-needed: header for the solution." })),
    expiresAt: Type.Optional(
      Type.String({ format: "date-time", description: "With proof-of-work-needed: when the challenge expires." }),
    ),
  },
  { title: "Problem", description: "A refusal or a fault (RFC 9457)." },
);
