import type { FastifyRequest } from "fastify";
import { readFigures } from "../../../core/console/read-figures.ts";
import { runCommand, type ConsolePorts } from "../../../core/console/run-command.ts";
import type { Leases } from "../../../core/instances/contract.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { App } from "../../app.ts";
import { callerKey } from "../../callers/caller-key.ts";
import { hungUpSignal } from "../../callers/hung-up.ts";
import { ownInstance } from "../../callers/own-instance.ts";
import { problemOfConsole, problems } from "../../problems/problems.ts";
import type { PublicRules } from "../public-limits.ts";
import { schemas } from "./schemas.ts";

/** What consoles need. */
export type ConsoleRouteParts = ConsolePorts & {
  readonly store: { readonly leases: Pick<Leases, "find" | "findAt"> };
  readonly rules: PublicRules;
  readonly settings: { readonly requestsPerMinute: number; readonly replyMbPerMinute: number };
};

/** Commands a minute that an address may send: more than a person types. */
const COMMANDS_PER_MINUTE = 240;

const PASSWORD_NEEDED =
  "The Redis password is needed to log in to the instance: send it in the body, or as the bearer in place of the token.";

/**
 * Commands and figures for an instance's owner. The password is in the body or in the header Authorization, which are
 * never logged.
 */
export function consoleRoutes(parts: ConsoleRouteParts) {
  const { store, consoles, rules, settings } = parts;
  const perMinute = (max: number) => ({ rateLimit: { max, timeWindow: "1 minute" } });

  /**
   * The instance of a request of its holder, and the password to log in to it with: the body's, else the one that the
   * request was sent with. The token opens no Redis.
   */
  async function holderOf(request: FastifyRequest<{ Params: { id: string }; Body: { password?: string } }>) {
    const { instance, password: sent } = await ownInstance(store, rules.service, request, request.params.id);
    const password = request.body.password ?? sent;
    if (password === undefined) throw new ProblemError(problems.invalid(PASSWORD_NEEDED));
    return { instance, password };
  }

  return (app: App) => {
    app.post(
      "/instances/:id/console",
      { config: perMinute(Math.min(COMMANDS_PER_MINUTE, settings.requestsPerMinute)), schema: schemas.run },
      async (request, reply) => {
        const { command: line, session, database = 0, transaction = "none" } = request.body;
        const { instance, password } = await holderOf(request);
        const name = `console ${session ?? request.id}`;
        const command = {
          line,
          password,
          session: name,
          state: { database, transaction },
          address: callerKey(request),
          signal: hungUpSignal(reply),
        };
        const result = await runCommand(parts, instance, command);
        if (session === undefined) consoles.close(instance.id, name);
        if (result.kind === "replies-spent")
          throw new ProblemError(problems.repliesSpent(result.retryAfterMs, settings.replyMbPerMinute));
        if (result.kind !== "answered") throw new ProblemError(problemOfConsole(result));
        const { text, tone, cutFromBytes, warning, state } = result;
        return reply
          .header("cache-control", "no-store")
          .send({ text, tone, cutFromBytes, warning, database: state.database, transaction: state.transaction });
      },
    );

    app.post(
      "/instances/:id/figures",
      // A limit of its own: pages that ask every second or two use up nothing of other calls' limit.
      {
        config: perMinute(settings.requestsPerMinute),
        preValidation: (request, _reply, done) => {
          (request as FastifyRequest).body ??= {};
          done();
        },
        schema: schemas.figures,
      },
      async (request, reply) => {
        const { instance, password } = await holderOf(request);
        const result = await readFigures(parts, instance, password);
        if (result.kind !== "read") throw new ProblemError(problemOfConsole(result));
        // The server accepts more than was promised, of which strangers may take what is above.
        const maxClients = Math.min(result.figures.maxClients, rules.service.limits.maxClients);
        return reply.header("cache-control", "no-store").send({ ...result.figures, maxClients });
      },
    );
  };
}
