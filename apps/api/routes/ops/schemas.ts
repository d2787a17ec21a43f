import { Type } from "typebox";
import { ProblemBody } from "../schemas.ts";

/** Marks a call as the operator's in the API's reference. */
export const forOperator = { tags: ["operator"], security: [{ operator: [] }] };

/** Answers that every call of the operator's may give. */
export const refusals = { "4xx": ProblemBody, "5xx": ProblemBody };

/** A moment, or that there was none. */
export const Moment = Type.Union([Type.String({ format: "date-time" }), Type.Null()]);

/** Parameters of paths below /ops/api/hosts/:name. */
export const HostName = Type.Object({ name: Type.String({ maxLength: 63 }) });
