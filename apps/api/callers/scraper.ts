import type { FastifyRequest } from "fastify";
import { bearerToken } from "../../lib/http/requests.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { inNetworks } from "../../lib/http/networks.ts";
import { hashSecret, matchesHash } from "../../lib/secrets.ts";
import { problems } from "../problems/problems.ts";

const isLoopback = inNetworks(["loopback"]);

/**
 * Admits those who may read metrics: with a token set, whoever sends it; without one, programs of this machine.
 * @throws ProblemError for everybody else
 */
export function admitScraper(request: FastifyRequest, metricsToken: string | undefined): void {
  if (metricsToken === undefined) {
    if (!isOfThisMachine(request)) throw new ProblemError(problems.metricsElsewhere());
    return;
  }
  const token = bearerToken(request);
  if (token === undefined) throw new ProblemError(problems.metricsTokenMissing());
  if (!matchesHash(token, hashSecret(metricsToken))) throw new ProblemError(problems.tokenWrong());
}

/** A proxy here that is not trusted sends everybody's requests from loopback, and mostly says that it forwards them. */
function isOfThisMachine({ ip, socket, headers }: FastifyRequest): boolean {
  const isForwarded = headers["x-forwarded-for"] !== undefined || headers["forwarded"] !== undefined;
  return isLoopback(ip) && !(isForwarded && ip === socket.remoteAddress);
}
