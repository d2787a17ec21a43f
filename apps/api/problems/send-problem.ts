import type { FastifyReply, FastifyRequest } from "fastify";
import { sendAsJson, type Problem } from "../../lib/http/problem.ts";
import type { HomePage } from "../app.ts";
import { noteRefusal } from "./refusals.ts";

/** Sends a problem in the form that the caller reads: the page, plain text, or problem+json. */
export async function sendProblem(
  problem: Problem,
  request: FastifyRequest,
  reply: FastifyReply,
  renderHome: HomePage["render"],
): Promise<FastifyReply> {
  noteRefusal(request, problem.type.replace("urn:getaredis:", ""));
  reply.code(problem.status).header("cache-control", "no-store").header("vary", "Accept");
  if (problem.retryAfterSeconds !== undefined) reply.header("retry-after", String(problem.retryAfterSeconds));
  if (problem.challenges !== undefined) reply.header("www-authenticate", [...problem.challenges]);
  // As a comment: the answer may be appended to a file of settings, which must stay readable.
  const { format } = request.query as { format?: unknown };
  if (format === "env") return reply.type("text/plain; charset=utf-8").send(`# ${lineOf(problem)}`);
  switch (
    request.accepts().type(["application/problem+json", "application/json", "text/plain", "text/html", "text/markdown"])
  ) {
    case "text/html":
      return reply.type("text/html; charset=utf-8").send(await renderHome(request, { problem }));
    case "text/plain":
      return reply.type("text/plain; charset=utf-8").send(lineOf(problem));
    case "text/markdown":
      return reply.type("text/markdown; charset=utf-8").send(`# ${problem.title}\n\n${lineOf(problem)}`);
    default:
      return sendAsJson(problem, reply);
  }
}

/** A problem on a line for a terminal. Its title is left out where the detail says the same. */
function lineOf({ title, detail, contact }: Problem): string {
  const what = detail.toLowerCase().includes(title.toLowerCase()) ? detail : `${title}. ${detail}`;
  return `${what}${contact === undefined ? "" : ` Contact: ${contact}`}\n`;
}
