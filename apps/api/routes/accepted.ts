import type { FastifyReply } from "fastify";

/** Answers that what was asked for happens later: 202, without a body. */
export function sendAccepted(reply: FastifyReply): FastifyReply {
  // A null would be sent as JSON.
  return reply.code(202).send();
}
