import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { ProblemError } from "../../lib/http/problem.ts";
import type { App } from "../app.ts";
import { problems } from "../problems/problems.ts";

const Nothing = Type.Object({}, { additionalProperties: false });

/**
 * Has calls that describe no query refuse each query parameter, and those that describe no body each field of one:
 * what would be ignored is mostly meant for another place. Pages take any query, since sites that link to a page
 * add parameters of their own.
 */
export function refuseUnknownInput(app: App): void {
  app.addHook("onRoute", (route) => {
    if (route.schema === undefined || route.schema.hide === true) return;
    route.schema.querystring ??= Nothing;
  });
  app.addHook("preValidation", (request, _reply, done) => {
    const { schema } = request.routeOptions;
    if (schema === undefined || schema.hide === true || schema.body !== undefined) {
      done();
      return;
    }
    const field = firstField(request);
    if (field !== undefined)
      throw new ProblemError(problems.invalid(`This call takes no body, but the request ${field}.`));
    done();
  });
}

/** The beginning of an unwanted body's content, as it is told; undefined when there is none. */
function firstField({ body }: FastifyRequest): string | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body !== "object" || Array.isArray(body)) return "has one that is not a JSON object";
  const [name] = Object.keys(body);
  return name === undefined ? undefined : `has the field ${JSON.stringify(name)}`;
}
