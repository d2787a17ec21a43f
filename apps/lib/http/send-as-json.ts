import type { FastifyReply } from "fastify";
import type { Problem } from "./problem.ts";

/** Sends a problem as problem+json, whatever the caller reads. */
export function sendAsJson({ type, title, status, detail }: Problem, reply: FastifyReply): FastifyReply {
  return reply
    .code(status)
    .type("application/problem+json; charset=utf-8")
    .send(`${JSON.stringify({ type, title, status, detail }, null, 2)}\n`);
}
