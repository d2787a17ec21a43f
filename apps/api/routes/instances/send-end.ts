import type { FastifyReply, FastifyRequest } from "fastify";
import type { EndResult } from "../../../core/instances/end-instance.ts";

/** Answers a request to end an instance: 204 when it is gone, 202 when its container is removed later. */
export function sendEnd(result: EndResult, id: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (result.kind === "ended") return reply.code(204).send(null);
  const { fault } = result;
  request.log.warn({ instance: id, host: fault.hostName, err: fault }, "container not removed yet");
  return reply.code(202).send(null);
}
