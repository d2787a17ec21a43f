import type { FastifyRequest } from "fastify";
import { matchesHash } from "../../lib/secrets.ts";
import type { Leases } from "../../core/instances/contract.ts";
import type { Instance } from "../../core/instances/instance.ts";
import { bearerToken } from "../../lib/http/requests.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { problems } from "../problems/problems.ts";

/**
 * The instance with this id, for a request that carries its token.
 * @throws ProblemError for anybody else
 */
export async function ownInstance(
  { leases }: { readonly leases: Pick<Leases, "find"> },
  request: FastifyRequest,
  id: string,
): Promise<Instance> {
  const token = bearerToken(request);
  if (token === undefined) throw new ProblemError(problems.tokenMissing());
  const instance = await leases.find(id);
  if (!instance) throw new ProblemError(problems.noInstance());
  if (!matchesHash(token, instance.tokenHash)) throw new ProblemError(problems.tokenWrong());
  return instance;
}
