import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import accepts from "@fastify/accepts";
import formbody from "@fastify/formbody";
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RawServerDefault,
} from "fastify";
import type { Redis } from "ioredis";
import type { ChangeLeasePorts } from "../core/instances/change-lease.ts";
import type { CreatePorts } from "../core/instances/create-instance.ts";
import type { FleetCache } from "../core/fleet/fleet-cache.ts";
import type { ConsolePorts } from "../core/console/run-command.ts";
import type { Store } from "../core/store.ts";
import type { Settings } from "../core/settings/settings.ts";
import { answerClientError } from "../lib/http/client-errors.ts";
import { ProblemError, problemOfFault } from "../lib/http/problem.ts";
import { readOutRefusedBodies } from "../lib/http/refused-bodies.ts";
import { sendAsJson } from "../lib/http/send-as-json.ts";
import { dropSilentClients } from "../lib/http/silent-clients.ts";
import { callerKey } from "./callers/caller-key.ts";
import { describeInvalid } from "./problems/describe-invalid.ts";
import type { Metrics } from "./figures/metrics.ts";
import { problems, unreadable } from "./problems/problems.ts";
import { consoleRoutes } from "./routes/console/index.ts";
import { healthRoutes } from "./routes/health/index.ts";
import { createHomePage, homeRoutes, iconFile } from "./routes/home/index.ts";
import { instanceRoutes } from "./routes/instances/index.ts";
import { opsRoutes } from "./routes/ops/index.ts";
import { statsRoutes } from "./routes/stats/index.ts";
import { contentSecurityPolicy, docsSecurityPolicy } from "./plugins/security-policies.ts";
import { sendProblem } from "./problems/send-problem.ts";
import { answerWrongMethods } from "./plugins/wrong-methods.ts";

/** Everything the application is built from. */
export type ServerParts = {
  readonly config: Settings<"OPS_TOKEN">;
  readonly logger: FastifyBaseLogger;
  readonly store: Store;
  readonly fleet: FleetCache;
  /** Redis of the rate limits; while it does not answer, nobody is limited. */
  readonly redis: Redis;
  readonly pingRedis: () => Promise<void>;
  readonly metrics: Metrics;
  readonly create: CreatePorts;
  readonly lease: ChangeLeasePorts;
  readonly console: ConsolePorts;
};

/** The application with its routes' types. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

const KIB = 1024;
const SECOND = 1000;
const LONGEST_INDENTED = 64 * KIB;

/** Builds the application: plugins, limits, errors, routes. It does not listen. */
export async function buildServer(parts: ServerParts) {
  const { config } = parts;
  const home = await createHomePage(parts);
  const app = Fastify({
    loggerInstance: parts.logger,
    trustProxy: config.service.trustProxy ?? false,
    bodyLimit: 16 * KIB,
    // A request must be whole within 15 s; a connection without traffic may outlast the slowest hand-out.
    // Node takes the longer of these two for the whole request and the shorter for its headers.
    requestTimeout: 15 * SECOND,
    http: { headersTimeout: 10 * SECOND, connectionsCheckingInterval: 2 * SECOND },
    connectionTimeout: config.instances.handoutTimeoutMs + 30 * SECOND,
    forceCloseConnections: "idle",
    // Bodies are taken as they were sent, and an unknown field is an error, not dropped in silence.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    schemaErrorFormatter: (errors, where) => describeInvalid(errors[0], where),
    genReqId: () => crypto.randomUUID(),
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: answerClientError,
    // Addresses that cannot be decoded come here before any plugin has seen the request.
    frameworkErrors: (fault, _request, reply) => void sendAsJson(problemOfFault(fault, unreadable), reply),
  }).withTypeProvider<TypeBoxTypeProvider>();

  // One line a request; what machines ask all the time only when somebody looks closely.
  app.addHook("onResponse", (request, reply, done) => {
    const level = request.routeOptions.config.rateLimit === false ? "debug" : "info";
    request.log[level](
      {
        method: request.method,
        path: pathOf(request),
        status: reply.statusCode,
        address: request.ip,
        ms: Math.round(reply.elapsedTime),
      },
      "request",
    );
    done();
  });
  dropSilentClients(app);
  readOutRefusedBodies(app);
  // A client that keeps its connection would keep the process from stopping.
  let closing = false;
  app.addHook("preClose", (done) => {
    closing = true;
    done();
  });
  app.addHook("onSend", (_request, reply, _payload, done) => {
    if (closing) reply.header("connection", "close");
    done();
  });
  app.setErrorHandler((fault, request, reply) => {
    const problem = problemOfFault(fault, unreadable);
    if (problem.status >= 500 && !(fault instanceof ProblemError)) request.log.error({ err: fault }, "request failed");
    return sendProblem(problem, request, reply, home.render);
  });
  app.setNotFoundHandler(
    { preHandler: (request: FastifyRequest, reply: FastifyReply) => app.rateLimit().call(app, request, reply) },
    (request, reply) => sendProblem(problems.noRoute(request.method, pathOf(request)), request, reply, home.render),
  );
  await app.register(helmet, { contentSecurityPolicy, referrerPolicy: { policy: "same-origin" }, hsts: false });
  await app.register(accepts);
  await app.register(formbody);
  app.removeContentTypeParser("text/plain");
  takeEmptyJson(app);
  app.addHook("onSend", (_request, reply, payload, done) => done(null, readableJson(reply, payload)));
  await app.register(rateLimit, {
    max: config.service.rateLimitPerMinute,
    timeWindow: "1 minute",
    redis: parts.redis,
    nameSpace: "rate:",
    skipOnError: true,
    keyGenerator: callerKey,
    errorResponseBuilder: (_request, context) =>
      new ProblemError(problems.rateLimited(Math.max(1, Math.ceil(context.ttl / SECOND)), context.max)),
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Get a Redis",
        version: "1",
        description: "One call, one private Redis for some hours. Every error is application/problem+json.",
      },
      tags: [
        { name: "instances" },
        { name: "service", description: "For everybody and for machines" },
        { name: "operator" },
      ],
      components: {
        securitySchemes: {
          owner: { type: "http", scheme: "bearer", description: "The token that came with the instance" },
          operator: { type: "http", scheme: "bearer", description: "The operator's token" },
        },
      },
    },
  });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: docsSecurityPolicy,
    uiConfig: { validatorUrl: null },
    theme: { title: "Get a Redis: API reference" },
    logo: { type: "image/svg+xml", content: await readFile(iconFile), href: "/", target: "_self" },
  });

  const allowed = answerWrongMethods(app);
  await app.register(homeRoutes(parts, home));
  await app.register(instanceRoutes(parts, home));
  await app.register(consoleRoutes(parts));
  await app.register(statsRoutes(parts));
  await app.register(healthRoutes(parts));
  await app.register(opsRoutes(parts, home));
  allowed.close();
  return app;
}

function pathOf(request: FastifyRequest): string {
  return request.url.split("?", 1)[0]?.slice(0, 200) ?? "";
}

/** Some clients announce JSON and send none, with DELETE above all; that is no body, not a broken one. */
function takeEmptyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "ignore");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) =>
    body === "" ? done(null, undefined) : parse(request, body as string, done),
  );
}

/** JSON as people read it in a terminal, closed by a line's end; long answers are left as they are. */
function readableJson(reply: FastifyReply, payload: unknown): unknown {
  const isJson = String(reply.getHeader("content-type")).startsWith("application/json");
  if (!isJson || typeof payload !== "string" || payload.endsWith("\n") || payload.length > LONGEST_INDENTED)
    return payload;
  const text = `${JSON.stringify(JSON.parse(payload), null, 2)}\n`;
  reply.header("content-length", Buffer.byteLength(text));
  return text;
}
