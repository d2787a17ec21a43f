import type { FastifyRequest } from "fastify";
import { matchesHash } from "../../lib/secrets.ts";
import type { Leases } from "../../core/instances/contract.ts";
import type { Instance } from "../../core/instances/instance.ts";
import { REDIS_USERNAME } from "../../core/services/redis.ts";
import type { Service } from "../../core/services/service.ts";
import { basicCredentials, bearerToken } from "../../lib/http/requests.ts";
import { ProblemError } from "../../lib/http/problem.ts";
import { problems } from "../problems/problems.ts";
import { readInstanceName, type InstanceName } from "./instance-name.ts";
import { isBrowser, isFromOwnPage } from "./request-origin.ts";

/** An instance for a request of its holder. */
export type Held = {
  readonly instance: Instance;
  /** The instance's password, when that is what the request was sent with; undefined when it was the token. */
  readonly password: string | undefined;
};

/**
 * The instance of this name, an id or an address, for a request that carries its token or its password, as a bearer
 * or by HTTP basic. The password is compared with its hash in the row, not by a log-in: an instance can be ended also
 * while its host does not answer, and guesses reach nothing.
 * @throws ProblemError for anybody else
 */
export async function ownInstance(
  { leases }: { readonly leases: Pick<Leases, "find" | "findAt"> },
  service: Pick<Service, "idAt">,
  request: FastifyRequest,
  name: string,
): Promise<Held> {
  // A browser that was given a password for this address sends it by itself, also with another site's form.
  if (basicCredentials(request) && !isFromOwnPage(request)) throw new ProblemError(problems.crossSite());
  const secret = secretOf(request);
  if (secret === undefined) throw new ProblemError(problems.tokenMissing(challengesFor(request)));
  const named = readInstanceName(name);
  const instance = await find(leases, service, named);
  if (!instance) throw new ProblemError("id" in named ? problems.noInstance() : problems.noInstanceAt());
  if (matchesHash(secret, instance.tokenHash)) return { instance, password: undefined };
  if (instance.passwordHash !== null && matchesHash(secret, instance.passwordHash))
    return { instance, password: secret };
  throw new ProblemError(problems.tokenWrong());
}

/** By its id, which the name of its address tells behind an edge; else by who has the address now. */
function find(
  leases: Pick<Leases, "find" | "findAt">,
  service: Pick<Service, "idAt">,
  named: InstanceName,
): Promise<Instance | undefined> {
  if ("id" in named) return leases.find(named.id);
  const id = service.idAt(named.host, named.port);
  return id === undefined ? leases.findAt(named.host, named.port) : leases.find(id);
}

function secretOf(request: FastifyRequest): string | undefined {
  const basic = basicCredentials(request);
  if (basic) return ["", REDIS_USERNAME].includes(basic.user) ? basic.password : undefined;
  return bearerToken(request);
}

/** At a challenge for "Basic" a browser shows a dialog of its own, for a call of our page's scripts as well. */
function challengesFor(request: FastifyRequest): string[] {
  const bearer = 'Bearer realm="instance"';
  return isBrowser(request) ? [bearer] : [bearer, 'Basic realm="instance", charset="UTF-8"'];
}
