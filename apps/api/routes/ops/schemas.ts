import { Type } from "typebox";

/** Marks a call as the operator's in the API's reference. */
export const forOperator = { tags: ["operator"], security: [{ operator: [] }] };

/** A moment, or that there was none. */
export const Moment = Type.Union([Type.String({ format: "date-time" }), Type.Null()]);

/** Parameters of paths below /ops/api/hosts/:name. */
export const HostName = Type.Object({ name: Type.String({ maxLength: 63, pattern: "^[!-~]+$" }) });
