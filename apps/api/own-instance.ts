import type { FastifyRequest } from "fastify";
import { matchesHash } from "../core/domain/credentials.ts";
import type { Instance } from "../core/domain/instance.ts";
import { bearerToken } from "../http/bearer-token.ts";
import { ProblemError } from "../http/problem.ts";
import { problems } from "./problem.ts";

/**
 * The instance of this id, for a request that bears its token.
 * @throws ProblemError for anybody else
 */
export async function ownInstance(
  store: { readonly findInstance: (id: string) => Promise<Instance | undefined> },
  request: FastifyRequest,
  id: string,
): Promise<Instance> {
  const token = bearerToken(request);
  if (token === undefined) throw new ProblemError(problems.tokenMissing());
  const instance = await store.findInstance(id);
  if (!instance) throw new ProblemError(problems.noInstance());
  if (!matchesHash(token, instance.tokenHash)) throw new ProblemError(problems.tokenWrong());
  return instance;
}
