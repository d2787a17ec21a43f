import type { FastifyReply, FastifyRequest } from "fastify";
import { ProblemError, problemOfFault } from "../../lib/http/problem.ts";
import { pathOf } from "../../lib/http/requests.ts";
import type { LogSamples } from "../../lib/log-samples.ts";
import type { App, HomePage } from "../app.ts";
import { isForOperator, problems, unreadable } from "../problems/problems.ts";
import { sendProblem } from "../problems/send-problem.ts";

/**
 * Answers faults and unknown paths as problems; faults on our side are logged, and reveal nothing.
 * @param samples which of the faults' lines are written
 * @param contact named with problems that only the operator can solve
 */
export function answerProblems(
  app: App,
  renderHome: HomePage["render"],
  { samples, contact }: { readonly samples: Pick<LogSamples, "admits">; readonly contact: string | undefined },
): void {
  app.setErrorHandler((fault, request, reply) => {
    const problem = problemOfFault(fault, unreadable);
    if (problem.status >= 500 && !(fault instanceof ProblemError)) {
      const call = `${request.method} ${request.routeOptions.url ?? "unknown path"}`;
      if (samples.admits(`fault of ${call}: ${nameOf(fault)}`)) request.log.error({ err: fault }, "request failed");
    }
    const isWithContact = contact !== undefined && isForOperator(problem);
    return sendProblem(isWithContact ? { ...problem, contact } : problem, request, reply, renderHome);
  });
  app.setNotFoundHandler(
    // Requests for unknown paths count as well, so that guessing paths is limited too.
    { preHandler: (request: FastifyRequest, reply: FastifyReply) => app.rateLimit().call(app, request, reply) },
    (request, reply) => sendProblem(problems.noRoute(pathOf(request)), request, reply, renderHome),
  );
}

function nameOf(fault: unknown): string {
  return fault instanceof Error ? fault.name : typeof fault;
}
