import { Type, type Static } from "typebox";
import type { Operators } from "../../../core/operator/contract.ts";
import {
  changeOperator,
  createOperator,
  revokeOperator,
  type ManageOperatorsPorts,
} from "../../../core/operator/manage-operators.ts";
import { FIRST_ADMIN, OPERATOR_NAME_PATTERN, operatorRoles, type Operator } from "../../../core/operator/operators.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import { callerOf } from "./callers.ts";
import { forAdmin, futureMoment, moment } from "./schemas.ts";

/** What the calls on operators need. */
export type OpsOperatorParts = ManageOperatorsPorts & {
  readonly store: { readonly operators: Pick<Operators, "list"> };
};

const Name = Type.String({
  pattern: OPERATOR_NAME_PATTERN,
  description: "Small letters, digits, and . _ @ - after the first character. It has 32 characters at most.",
  examples: ["alice"],
});
const Role = Type.Enum([...operatorRoles], {
  description:
    "A viewer sees all but the addresses of visitors. An operator also acts on hosts, instances, blocks, switches and " +
    "jobs. An admin also manages operators.",
  examples: ["operator"],
});
const ExpiresAt = Type.Union([Type.String({ format: "date-time" }), Type.Null()], {
  description: "When the token expires. null: never.",
  examples: ["2027-01-31T12:00:00Z"],
});
const OpsOperator = Type.Object(
  {
    name: Name,
    role: Role,
    createdAt: moment("When it was created. null: it is the setting OPS_TOKEN."),
    createdBy: Type.Union([Type.String(), Type.Null()], { description: "Operator who created this one." }),
    expiresAt: ExpiresAt,
    lastUsedAt: Type.Union([Type.String({ format: "date-time" }), Type.Null()], {
      description: "When the token was last used, to about a minute. null: never. It is not kept for OPS_TOKEN.",
    }),
    isOpsToken: Type.Boolean({ description: "Whether the token is the setting OPS_TOKEN. It cannot be changed here." }),
  },
  { title: "Operator", description: "Who may operate the service." },
);
/** An operator as admins read it. */
export type OpsOperator = Static<typeof OpsOperator>;
const NewOpsOperator = Type.Object(
  { name: Name, role: Role, expiresAt: Type.Optional(ExpiresAt) },
  { additionalProperties: false, title: "NewOperator", description: "An operator to create." },
);
/** An operator to be created, as an admin sends it. */
export type NewOpsOperator = Static<typeof NewOpsOperator>;
const OpsOperatorCreated = Type.Object(
  {
    name: Name,
    role: Role,
    expiresAt: ExpiresAt,
    token: Type.String({
      description: "Token of the operator. Only this answer shows it.",
      examples: ["gar_op_4kq0Zr2nVb8Ys5TtGm1hXw7LcJd9eUaP"],
    }),
  },
  { title: "OperatorCreated", description: "A new operator with the token." },
);
/** What came of creating an operator. */
export type OpsOperatorCreated = Static<typeof OpsOperatorCreated>;
const OpsOperatorChange = Type.Object(
  { role: Type.Optional(Role), expiresAt: Type.Optional(ExpiresAt) },
  { additionalProperties: false, title: "OperatorChange", description: "What to change of an operator." },
);
/** What is to be changed of an operator. */
export type OpsOperatorChange = Static<typeof OpsOperatorChange>;
const OneOperator = Type.Object({ name: Name });

const schemas = {
  list: {
    ...forAdmin,
    operationId: "listOperators",
    summary: "List operators",
    description: "Lists all operators with their roles, expiry and last use.",
    response: { 200: Type.Array(OpsOperator) },
  },
  add: {
    ...forAdmin,
    operationId: "createOperator",
    summary: "Create an operator",
    description: "Only this answer shows the token.",
    body: NewOpsOperator,
    response: {
      201: {
        description: "The operator is created.",
        headers: { Location: Type.String({ description: "Path of the operator, for the calls below." }) },
        content: { "application/json": { schema: OpsOperatorCreated } },
      },
    },
    refusals: ["operator-exists"] satisfies ProblemName[],
  },
  change: {
    ...forAdmin,
    operationId: "changeOperator",
    summary: "Change the role or expiry of an operator",
    description: "Another role ends the operator's dashboard sessions at once.",
    params: OneOperator,
    body: OpsOperatorChange,
    response: { 200: OpsOperator },
    refusals: ["first-admin"] satisfies ProblemName[],
  },
  revoke: {
    ...forAdmin,
    operationId: "revokeOperator",
    summary: "Revoke an operator",
    description: "The token works no longer, and the dashboard sessions of the operator end.",
    params: OneOperator,
    response: { 204: Type.Null({ description: "The operator is revoked." }) },
    refusals: ["first-admin"] satisfies ProblemName[],
  },
};

const firstAdmin: OpsOperator = {
  ...FIRST_ADMIN,
  createdAt: null,
  createdBy: null,
  expiresAt: null,
  lastUsedAt: null,
  isOpsToken: true,
};

/** Operators: who may do what, until when. */
export function opsOperatorRoutes(parts: OpsOperatorParts) {
  const { clock } = parts;
  const { operators } = parts.store;

  return (app: App) => {
    app.get("/ops/api/operators", { schema: schemas.list }, async () => [
      firstAdmin,
      ...(await operators.list()).map(describe),
    ]);

    app.post("/ops/api/operators", { schema: schemas.add }, async (request, reply) => {
      const { name, role } = request.body;
      const expiresAt = endIn(request.body.expiresAt ?? null, clock());
      const by = callerOf(request).name;
      const result = await createOperator(parts, by, { name, role, expiresAt });
      if (result.kind === "name-taken") throw new ProblemError(problems.operatorExists(name));
      request.log.info({ by, operator: name, role, expiresAt }, "operator created");
      return reply
        .code(201)
        .header("location", `/ops/api/operators/${encodeURIComponent(name)}`)
        .send({ name, role, expiresAt: expiresAt?.toISOString() ?? null, token: result.token });
    });

    app.patch("/ops/api/operators/:name", { schema: schemas.change }, async (request) => {
      const { name } = request.params;
      const { role, expiresAt } = request.body;
      if (role === undefined && expiresAt === undefined)
        throw new ProblemError(problems.invalid("The body must have role, expiresAt or both."));
      const by = callerOf(request).name;
      const result = await changeOperator(parts, by, name, {
        ...(role !== undefined && { role }),
        ...(expiresAt !== undefined && { expiresAt: endIn(expiresAt, clock()) }),
      });
      if (result.kind === "first-admin") throw new ProblemError(problems.firstAdmin());
      if (result.kind === "unknown") throw new ProblemError(problems.noOperator());
      request.log.info({ by, operator: name, role, expiresAt }, "operator changed");
      return describe(result.operator);
    });

    app.delete("/ops/api/operators/:name", { schema: schemas.revoke }, async (request, reply) => {
      const { name } = request.params;
      const by = callerOf(request).name;
      const result = await revokeOperator(parts, by, name);
      if (result === "first-admin") throw new ProblemError(problems.firstAdmin());
      if (result === "unknown") throw new ProblemError(problems.noOperator());
      request.log.info({ by, operator: name }, "operator revoked");
      return reply.code(204).send(null);
    });
  };
}

/** The end that a text names; null for none. */
function endIn(text: string | null, now: Date): Date | null {
  const end = text === null ? null : futureMoment(text, now);
  if (end === undefined) throw new ProblemError(problems.invalid("expiresAt must be in the future."));
  return end;
}

function describe({ createdAt, expiresAt, lastUsedAt, ...operator }: Operator): OpsOperator {
  return {
    ...operator,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    isOpsToken: false,
  };
}
