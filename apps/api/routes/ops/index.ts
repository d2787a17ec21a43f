import type { App, HomePage } from "../../app.ts";
import { callerKey } from "../../callers/caller-key.ts";
import { opsBlockRoutes, type OpsBlockParts } from "./blocks.ts";
import { opsEventRoutes, type OpsEventParts } from "./events.ts";
import { opsFigureRoutes, type OpsFigureParts } from "./figures.ts";
import { opsGatewayRoutes, type OpsGatewayParts } from "./gateways.ts";
import { opsHostRoutes, type OpsHostParts } from "./hosts.ts";
import { opsInstanceRoutes, type OpsInstanceParts } from "./instances.ts";
import { opsJobRoutes, type OpsJobParts } from "./jobs.ts";
import { opsNotificationRoutes, type OpsNotificationParts } from "./notifications.ts";
import { opsOperatorRoutes, type OpsOperatorParts } from "./operators.ts";
import { createOperatorLogins, type LoginPorts } from "./logins.ts";
import { opsPageRoutes } from "./page.ts";
import { opsPortRoutes, type OpsPortParts } from "./ports.ts";
import { roleOf } from "./schemas.ts";
import { opsServiceRoutes, type OpsServiceParts } from "./services.ts";
import { opsStreamRoutes, type OpsStreamParts } from "./stream.ts";
import { opsSwitchRoutes, type OpsSwitchParts } from "./switches.ts";
import { opsWorkloadRoutes, type OpsWorkloadParts } from "./workloads.ts";

/** What the operator's room needs. */
export type OpsRouteParts = LoginPorts &
  OpsHostParts &
  OpsGatewayParts &
  OpsInstanceParts &
  OpsEventParts &
  OpsJobParts &
  OpsSwitchParts &
  OpsBlockParts &
  OpsPortParts &
  OpsWorkloadParts &
  OpsFigureParts &
  OpsOperatorParts &
  OpsNotificationParts &
  OpsServiceParts &
  OpsStreamParts & { readonly settings: { readonly requestsPerMinute: number } };

/** Factor on everybody's limit for the operator: enough for several busy dashboards and scripts. */
const OPERATOR_SHARE = 10;

/**
 * `/ops`: the dashboard; `/ops/api`: what the operator sees and may do. Every call needs an operator's token, or
 * the cookie of a login made with one, and a role that may make it.
 */
export function opsRoutes(parts: OpsRouteParts, home: Pick<HomePage, "assets">) {
  const logins = createOperatorLogins(parts);

  return async (app: App) => {
    // Before everybody's limit, which a call counted here skips: strangers behind the same address use up
    // nothing of this limit. A call with a limit of its own keeps it: logging in.
    const limit = app.rateLimit({
      max: OPERATOR_SHARE * parts.settings.requestsPerMinute,
      keyGenerator: (request) => `operator ${callerKey(request)}`,
    });
    app.addHook("onRequest", async (request, reply) => {
      if (request.routeOptions.config.rateLimit === undefined && logins.isKnown(request))
        await limit.call(app, request, reply);
    });
    await app.register(opsPageRoutes(logins, home));
    await app.register(async (guarded: App) => {
      // A call that names no role stops the start: it must not be open by mistake.
      guarded.addHook("onRoute", ({ schema, url }) => void roleOf(schema, url));
      // After onRequest, where guesses are counted against the rate limit, and before any body is read.
      guarded.addHook("preParsing", async (request) => {
        const { schema, url = "" } = request.routeOptions;
        await logins.admit(request, roleOf(schema, url));
      });
      guarded.addHook("onSend", async (_request, reply) => void reply.header("cache-control", "no-store"));
      await guarded.register(opsHostRoutes(parts));
      await guarded.register(opsGatewayRoutes(parts));
      await guarded.register(opsInstanceRoutes(parts));
      await guarded.register(opsEventRoutes(parts));
      await guarded.register(opsJobRoutes(parts));
      await guarded.register(opsSwitchRoutes(parts));
      await guarded.register(opsBlockRoutes(parts));
      await guarded.register(opsPortRoutes(parts));
      await guarded.register(opsWorkloadRoutes(parts));
      await guarded.register(opsFigureRoutes(parts));
      await guarded.register(opsOperatorRoutes(parts));
      await guarded.register(opsNotificationRoutes(parts));
      await guarded.register(opsServiceRoutes(parts));
      await guarded.register(opsStreamRoutes(parts, logins));
    });
  };
}
