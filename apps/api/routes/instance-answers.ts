import { sendAccepted } from "./accepted.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Static } from "typebox";
import type { EndResult } from "../../core/instances/end-instance.ts";
import { shownEnd, shownState, type Instance } from "../../core/instances/instance.ts";
import type { Service } from "../../core/services/service.ts";
import { transferOf } from "../../core/instances/transfer.ts";
import type { InstanceState } from "./schemas.ts";
import { REDIS_USERNAME } from "../../core/services/redis.ts";

/**
 * What its owner and the operator see of an instance; never the password.
 * @param transferBytes that it may send in its life; 0: as many as it likes
 * @param contact named to the owner of an instance that the operator or a rule about misuse has ended
 */
export function describeInstance(
  instance: Instance,
  service: Pick<Service, "addressOf">,
  transferBytes: number,
  now: Date,
  contact?: string,
): Static<typeof InstanceState> {
  const { host, port } = service.addressOf(instance);
  const isByOperator = instance.endCause === "operator" || instance.endCause === "misuse";
  return {
    id: instance.id,
    state: shownState(instance, now),
    host,
    port,
    username: REDIS_USERNAME,
    createdAt: instance.createdAt.toISOString(),
    expiresAt: shownEnd(instance).toISOString(),
    transfer: transferOf(instance.sentBytes, transferBytes),
    endedAt: instance.endedAt?.toISOString() ?? null,
    endCause: instance.endCause,
    ...(isByOperator && contact !== undefined && { contact }),
    engine: instance.server?.engine ?? null,
    version: instance.server?.version ?? null,
    lastRestart: instance.lastRestart && {
      at: instance.lastRestart.at.toISOString(),
      cause: instance.lastRestart.cause,
    },
  };
}

/** Answers a request to end an instance: 204 when it is gone, 202 when its container is removed later. */
export function sendEnd(result: EndResult, id: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (result.kind === "ended") return reply.code(204).send(null);
  const { fault } = result;
  request.log.warn({ instance: id, host: fault.hostName, err: fault }, "container not removed yet");
  return sendAccepted(reply);
}
