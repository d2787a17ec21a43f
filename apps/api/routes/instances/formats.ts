import type { FastifyReply, FastifyRequest } from "fastify";
import type { Static } from "typebox";
import type { Handout } from "../../../core/instances/handout.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import { handoutGuide, type GuideFacts } from "../guides/guide.ts";
import type { HandoutFormat, HandoutRequest } from "./schemas.ts";

/** Form of the answer that a hand-out is sent in. */
export type Format = "json" | "url" | "env" | "html" | "markdown";

/** The fields of a request for an instance: none without a body; numbers in a form are converted from text. */
export function plainBody(request: FastifyRequest): Static<typeof HandoutRequest> {
  if (!request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded")) return request.body ?? {};
  const fields = Object.entries(request.body as Record<string, string>);
  if (fields.some(([name]) => name.startsWith("{")))
    throw new ProblemError(
      problems.invalid("This body is JSON but was sent as a form. Add the header Content-Type: application/json."),
    );
  return Object.fromEntries(
    fields
      .filter(([, value]) => value !== "")
      .map(([name, value]) => [name, /^\d+$/.test(value) ? Number(value) : value]),
  );
}

/**
 * The form that a caller asks for, by name or by its Accept header.
 * @throws ProblemError when the form does not exist
 */
export function formatOf(request: FastifyRequest<{ Querystring: Static<typeof HandoutFormat> }>): Format {
  if (request.query.format) return request.query.format;
  switch (request.accepts().type(["application/json", "text/plain", "text/html", "text/markdown"])) {
    case "application/json":
      return "json";
    case "text/plain":
      return "url";
    case "text/html":
      return "html";
    case "text/markdown":
      return "markdown";
    default:
      throw new ProblemError(problems.notAcceptable());
  }
}

/**
 * Sends a hand-out in its form, for callers that are no browser.
 * @param facts of this service, for agents
 * @param origin of this service as the caller reached it
 */
export function sendHandout(
  reply: FastifyReply,
  format: Exclude<Format, "html">,
  handout: Handout,
  facts: GuideFacts,
  origin: string,
): FastifyReply {
  switch (format) {
    case "json":
      return reply.type("application/json; charset=utf-8").send(`${JSON.stringify(handout, null, 2)}\n`);
    case "url":
      return reply.type("text/plain; charset=utf-8").send(`${handout.url}\n`);
    case "env":
      return reply.type("text/plain; charset=utf-8").send(envLines(handout, origin));
    case "markdown":
      return reply.type("text/markdown; charset=utf-8").send(handoutGuide(handout, facts, origin));
  }
}

/** The URL as a line of a file of settings, and in comments what such a file does not tell otherwise. */
function envLines({ id, url, username, password, expiresAt }: Handout, origin: string): string {
  return [
    `REDIS_URL=${url}`,
    `# expires ${expiresAt}`,
    `# to end it: curl -u ${username}:${password} -X DELETE ${origin}/instances/${id}`,
    "",
  ].join("\n");
}
