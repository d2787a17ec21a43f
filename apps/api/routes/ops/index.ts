import type { OperatePorts } from "../../../core/operator/operate.ts";
import { requestRun } from "../../../adapters/redis/notifications.ts";
import { callerKey } from "../../callers/caller-key.ts";
import { createOpsSessions } from "./sessions.ts";
import type { App, ServerParts } from "../../server.ts";
import type { HomePage } from "../home/index.ts";
import { opsControlRoutes } from "./controls.ts";
import { opsFigureRoutes } from "./figures.ts";
import { opsHostRoutes } from "./hosts.ts";
import { opsInstanceRoutes } from "./instances.ts";
import { opsEventRoutes } from "./events.ts";
import { opsPageRoutes } from "./page.ts";
import { opsStreamRoutes } from "./stream.ts";

/** A busy dashboard, several of them, and scripts: so many times the calls of a stranger. */
const OPERATOR_SHARE = 10;

/** What every part of the operator's API works with. */
export type OpsParts = ServerParts & { readonly operate: OperatePorts };

/** `/ops`: the dashboard; `/ops/api`: what the operator sees and may do. Every call needs the operator's token, or a session begun with it. */
export function opsRoutes(parts: ServerParts, home: HomePage) {
  const { config, store, create, lease, redis } = parts;
  const sessions = createOpsSessions({
    store,
    clock: create.clock,
    opsToken: config.service.opsToken,
    newSecret: create.random.token,
  });
  const all: OpsParts = {
    ...parts,
    operate: { ...create, ...lease, store, requestRun: (job) => requestRun(redis, job) },
  };

  return async (app: App) => {
    // Before the limit that is everybody's, which a call counted here passes: strangers behind the same
    // address use up nothing of this one. What has a limit of its own keeps it: logging in.
    const limit = app.rateLimit({
      max: OPERATOR_SHARE * config.service.rateLimitPerMinute,
      keyGenerator: (request) => `operator ${callerKey(request)}`,
    });
    app.addHook("onRequest", async (request, reply) => {
      if (request.routeOptions.config.rateLimit === undefined && sessions.isKnown(request))
        await limit.call(app, request, reply);
    });
    await app.register(opsPageRoutes(sessions, home));
    await app.register(async (guarded: App) => {
      // After onRequest, where guesses are counted against the rate limit, and before any body is read.
      guarded.addHook("preParsing", async (request) => sessions.admit(request));
      guarded.addHook("onSend", async (_request, reply) => void reply.header("cache-control", "no-store"));
      await guarded.register(opsHostRoutes(all));
      await guarded.register(opsInstanceRoutes(all));
      await guarded.register(opsEventRoutes(all));
      await guarded.register(opsControlRoutes(all));
      await guarded.register(opsFigureRoutes(all));
      await guarded.register(opsStreamRoutes(all, sessions));
    });
  };
}
