import { Type, type Static } from "typebox";
import { operatorRoles, type OperatorRole } from "../../../core/operator/operators.ts";

/** Marks a call in the API's reference as one of operators with this role or a higher one; the guard reads it, too. */
function forRole(role: OperatorRole) {
  return { tags: ["operator"], security: [{ operator: [] }, { login: [] }], "x-role": role };
}

/** Calls that only show something. */
export const forViewer = forRole("viewer");
/** Acts on hosts, instances, blocks, switches and jobs; and what shows addresses of visitors alone. */
export const forOperator = forRole("operator");
/** Acts on operators. */
export const forAdmin = forRole("admin");

/** The role that a call needs, as its schema says. @throws when it says none: nobody may call it by mistake */
export function roleOf(schema: object | undefined, url: string): OperatorRole {
  const role = (schema as { "x-role"?: OperatorRole } | undefined)?.["x-role"];
  if (role === undefined) throw new Error(`${url} names no role`);
  return role;
}

/** A moment, or that there was none; and what it means. */
export const moment = (description: string) =>
  Type.Union([Type.String({ format: "date-time" }), Type.Null()], { description });

/** The year that ends what can be kept. */
const LAST_YEAR = 9999;

/**
 * The moment after `now` that a text names; undefined when it is over, too far away to be kept, or a leap second: that
 * is a date-time, and no moment that a Date knows.
 */
export function futureMoment(text: string, now: Date): Date | undefined {
  const moment = new Date(text);
  return moment > now && moment.getUTCFullYear() < LAST_YEAR ? moment : undefined;
}

/** Parameters of paths below /ops/api/hosts/:name. */
export const HostName = Type.Object({
  name: Type.String({ maxLength: 63, pattern: "^[!-~]+$", description: "Name of the host.", examples: ["host-a"] }),
});

/** Who is logged in on the dashboard. */
export const OpsSession = Type.Object(
  {
    name: Type.String({ description: "Name of the operator who is logged in.", examples: ["admin"] }),
    role: Type.Enum([...operatorRoles], { description: "What the operator may do.", examples: ["admin"] }),
    expiresAt: moment("When the operator's token expires, and the session with it. null: never."),
  },
  { title: "Session", description: "A login on the dashboard." },
);
export type OpsSession = Static<typeof OpsSession>;
