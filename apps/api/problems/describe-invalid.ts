import { ProblemError } from "../../lib/http/problem.ts";
import { problems } from "./problems.ts";

/** The first fault that a schema found, as the validator reports it. */
type SchemaFault = {
  readonly instancePath: string;
  readonly keyword: string;
  readonly message?: string;
  readonly params: Record<string, unknown>;
};

/**
 * What is wrong with a body, query or header, in one sentence; a path parameter of another shape is answered as
 * unknown.
 */
export function describeInvalid(fault: SchemaFault | undefined, where: string): Error {
  if (where === "params")
    return new ProblemError(fault?.instancePath === "/id" ? problems.noInstanceId() : problems.nothingOfThatName());
  const field = fault?.instancePath.slice(1).replaceAll("/", ".") ?? "";
  if (field === "idempotency-key") return new Error(`The header Idempotency-Key ${complaint(fault)}. ${keyAdvice}`);
  if (where === "querystring" && fault?.keyword === "additionalProperties")
    return new Error(`The query has an unknown parameter ${JSON.stringify(fault.params["additionalProperty"])}`);
  return new Error(`${field || `The ${where}`} ${complaint(fault)}`);
}

const keyAdvice = "Make one for each new request that nobody can guess, such as uuidgen prints.";

function complaint(fault: SchemaFault | undefined): string {
  const params = fault?.params ?? {};
  switch (fault?.keyword) {
    case "additionalProperties":
      return `has an unknown field ${JSON.stringify(params["additionalProperty"])}`;
    case "required":
      return `lacks the field ${JSON.stringify(params["missingProperty"])}`;
    case "enum":
      return `must be one of ${(params["allowedValues"] as string[]).join(", ")}`;
    case "type":
      return `must be ${types[String(params["type"])] ?? String(params["type"])}`;
    case "minLength":
      return params["limit"] === 1 ? "must not be empty" : `must have ${String(params["limit"])} characters at least`;
    case "maxLength":
      return `must have ${String(params["limit"])} characters at most`;
    default:
      return fault?.message ?? "is not valid";
  }
}

const types: Readonly<Record<string, string>> = {
  integer: "a whole number",
  object: "a JSON object",
  string: "a text",
};
