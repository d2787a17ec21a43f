import accepts from "@fastify/accepts";
import cookie from "@fastify/cookie";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify, { LogController, type FastifyBaseLogger } from "fastify";
import type { HandoutRules } from "../core/instances/create-instance.ts";
import { keptRecords } from "../core/operator/kept-records.ts";
import { addressKey } from "../core/instances/quota.ts";
import type { HttpBounds } from "../lib/http/bounds.ts";
import { answerClientError } from "../lib/http/client-errors.ts";
import { boundConnections } from "../lib/http/connections.ts";
import { problemOfFault, sendAsJson } from "../lib/http/problem.ts";
import { sampleRefusals } from "../lib/http/refusal-samples.ts";
import { dropSilentClients } from "../lib/http/silent-clients.ts";
import { inNetworks } from "../lib/http/networks.ts";
import type { LogSamples } from "../lib/log-samples.ts";
import type { App } from "./app.ts";
import { createAssets } from "./assets/assets.ts";
import type { HostRules } from "./callers/served-hosts.ts";
import { addApiReference } from "./plugins/api-reference.ts";
import { takeBodies } from "./plugins/bodies.ts";
import { closeConnectionsOnStop } from "./plugins/close-connections.ts";
import { answerProblems } from "./plugins/problem-answers.ts";
import { limitRates, type RateLimitParts } from "./plugins/rate-limit.ts";
import { sendReadableJson } from "./plugins/readable-json.ts";
import { logRequests } from "./plugins/request-log.ts";
import { addSecurityHeaders } from "./plugins/security-headers.ts";
import { refuseOtherHosts } from "./plugins/served-hosts.ts";
import { refuseUnknownInput } from "./plugins/strict-requests.ts";
import { addTryOut } from "./plugins/try-out.ts";
import { answerWrongMethods } from "./plugins/wrong-methods.ts";
import { describeInvalid } from "./problems/describe-invalid.ts";
import { unreadable } from "./problems/problems.ts";
import { assetRoutes } from "./routes/assets/index.ts";
import { cliRoutes } from "./routes/cli/index.ts";
import { consoleRoutes, type ConsoleRouteParts } from "./routes/console/index.ts";
import { docsRoutes } from "./routes/docs/index.ts";
import { answerInMarkdown, guideRoutes, type GuideParts } from "./routes/guides/index.ts";
import { healthRoutes, type HealthRouteParts } from "./routes/health/index.ts";
import { heldRoutes, type HeldRouteParts } from "./routes/held/index.ts";
import { createHomePage, homeRoutes, type HomePageParts } from "./routes/home/index.ts";
import { instanceRoutes, type InstanceRouteParts } from "./routes/instances/index.ts";
import { opsRoutes, type OpsRouteParts } from "./routes/ops/index.ts";
import { publicLimits } from "./routes/public-limits.ts";
import { statsRoutes, type StatsRouteParts } from "./routes/stats/index.ts";

/** What the application is built from: the needs of all plugins and routes together. */
export type ServerParts = HttpParts &
  RateLimitParts &
  HomePageParts &
  InstanceRouteParts &
  GuideParts &
  HeldRouteParts &
  ConsoleRouteParts &
  StatsRouteParts &
  HealthRouteParts &
  OpsRouteParts;

type HttpParts = {
  readonly logger: FastifyBaseLogger;
  readonly rules: Pick<HandoutRules, "timeoutMs">;
  /** Addresses and networks of proxies whose X-Forwarded-For is believed. */
  readonly settings: {
    readonly trustedProxies: readonly string[];
    readonly hosts: HostRules;
    readonly http: HttpBounds;
  };
};

const KIB = 1024;
const SECOND = 1000;

/** Builds the application: plugins, limits, errors, routes. It does not listen. */
export async function buildServer(parts: ServerParts): Promise<App> {
  const app = createApp(parts);
  const assets = await createAssets();
  const home = createHomePage(parts, assets);

  const samples = sampleRefusals(app, parts.logger, parts.settings.http.refusalsLoggedPerMinute);
  logRequests(app, samples);
  boundClients(app, parts, samples);
  dropSilentClients(app);
  closeConnectionsOnStop(app);
  answerProblems(app, home.render, { samples, contact: parts.settings.operator.contact });
  await addSecurityHeaders(app);
  refuseOtherHosts(app, parts.settings);
  refuseUnknownInput(app);
  await app.register(accepts);
  await app.register(cookie);
  await takeBodies(app);
  sendReadableJson(app);
  await limitRates(app, parts);
  answerInMarkdown(app, parts);
  const { operator, records } = parts.settings;
  const facts = { operator, kept: keptRecords(records), limits: publicLimits(parts.rules) };
  await addApiReference(app, facts);
  await addTryOut(app);

  const wrongMethods = answerWrongMethods(app);
  await app.register(assetRoutes(assets));
  await app.register(homeRoutes(home));
  await app.register(guideRoutes(parts));
  await app.register(cliRoutes());
  await app.register(instanceRoutes(parts));
  await app.register(heldRoutes(parts, home));
  await app.register(consoleRoutes(parts));
  await app.register(statsRoutes(parts));
  await app.register(healthRoutes(parts));
  await app.register(opsRoutes(parts, home));
  await app.register(docsRoutes(facts, home));
  wrongMethods.close();
  return app;
}

function boundClients(app: App, { logger, settings }: HttpParts, samples: LogSamples): void {
  boundConnections(app.server, settings.http, {
    keyOf: addressKey,
    isProxy: inNetworks(settings.trustedProxies),
    onClosed: (kind, address) => {
      if (samples.admits(`connection closed: ${kind}`)) logger.warn({ kind, address }, "connection closed for a bound");
    },
  });
}

/** Fastify with our bounds of size and time, and our texts for what it refuses by itself. */
function createApp({ logger, rules, settings }: HttpParts): App {
  return Fastify({
    loggerInstance: logger,
    trustProxy: settings.trustedProxies.length > 0 && inNetworks(settings.trustedProxies),
    bodyLimit: 16 * KIB,
    // A request must be whole within 15 s, its headers within 5; a connection without traffic may outlast the
    // slowest hand-out. Node takes the longer of these two for the whole request and the shorter for its headers.
    requestTimeout: 15 * SECOND,
    http: { headersTimeout: 5 * SECOND, connectionsCheckingInterval: SECOND },
    keepAliveTimeout: settings.http.keepAliveMs,
    connectionTimeout: rules.timeoutMs + 30 * SECOND,
    forceCloseConnections: "idle",
    // Bodies are not converted, and an unknown field is an error instead of being dropped silently.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    schemaErrorFormatter: (errors, where) => describeInvalid(errors[0], where),
    genReqId: () => crypto.randomUUID(),
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: answerClientError,
    // Addresses that cannot be decoded come here before any plugin has seen the request.
    frameworkErrors: (fault, _request, reply) => void sendAsJson(problemOfFault(fault, unreadable), reply),
  }).withTypeProvider<TypeBoxTypeProvider>();
}
