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
  readonly store: { readonly leases: Pick<Leases, "find"> };
  readonly rules: PublicRules;
  readonly settings: { readonly requestsPerMinute: number; readonly replyMbPerMinute: number };
};

/** Commands a minute that an address may send: more than a person types. */
const COMMANDS_PER_MINUTE = 240;

/** Commands and figures for an instance's owner. The password is in the body, which is never logged. */
export function consoleRoutes(parts: ConsoleRouteParts) {
  const { store, consoles, rules, settings } = parts;
  const perMinute = (max: number) => ({ rateLimit: { max, timeWindow: "1 minute" } });

  return (app: App) => {
    app.post(
      "/instances/:id/console",
      { config: perMinute(Math.min(COMMANDS_PER_MINUTE, settings.requestsPerMinute)), schema: schemas.run },
      async (request, reply) => {
        const { command: line, password, session, database = 0, transaction = "none" } = request.body;
        const instance = await ownInstance(store, request, request.params.id);
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
      { config: perMinute(settings.requestsPerMinute), schema: schemas.figures },
      async (request, reply) => {
        const instance = await ownInstance(store, request, request.params.id);
        const result = await readFigures(parts, instance, request.body.password);
        if (result.kind !== "read") throw new ProblemError(problemOfConsole(result));
        // The server accepts more than was promised, of which strangers may take what is above.
        const maxClients = Math.min(result.figures.maxClients, rules.service.limits.maxClients);
        return reply.header("cache-control", "no-store").send({ ...result.figures, maxClients });
      },
    );
  };
}
