import rateLimit from "@fastify/rate-limit";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify, { LogController, type FastifyBaseLogger } from "fastify";
import { Type } from "typebox";
import { enrolHost, type EnrolPorts } from "../core/fleet/enrol-host.ts";
import { hostNamePattern } from "../core/fleet/host.ts";
import { addressKey } from "../core/instances/quota.ts";
import type { ServerTls } from "../lib/tls.ts";
import { hashSecret } from "../lib/secrets.ts";
import type { HttpBounds } from "../lib/http/bounds.ts";
import { answerClientError } from "../lib/http/client-errors.ts";
import { boundConnections } from "../lib/http/connections.ts";
import { sampleRefusals } from "../lib/http/refusal-samples.ts";
import { generalProblems, problemOfFault, ProblemError, sendAsJson } from "../lib/http/problem.ts";
import { bearerToken, readOutRefusedBodies } from "../lib/http/requests.ts";
import { gatewayRoutes, type GatewayParts } from "./gateways.ts";
import { packAnswer } from "./pack-answer.ts";
import { problems, unreadable } from "./problems.ts";

/** Everything the enrolment is built from. */
export type EnrolmentParts = {
  readonly logger: FastifyBaseLogger;
  readonly tls: ServerTls;
  readonly enrol: EnrolPorts;
  /** Undefined where the fleet has no gateways on droplets. */
  readonly gateways?: GatewayParts | undefined;
  readonly http: HttpBounds;
};

const KIB = 1024;
const SECOND = 1000;
/** A booting host asks a few times within minutes; a client that asks more often is guessing tokens. */
const REQUESTS_A_MINUTE = 30;

const HostName = Type.String({ pattern: hostNamePattern.source });

/** Builds the server that booting hosts get their certificates from, over TLS. It does not listen. */
export async function buildEnrolment({ logger, tls, enrol, gateways, http }: EnrolmentParts) {
  const app = Fastify({
    loggerInstance: logger,
    bodyLimit: 8 * KIB,
    // A request must be whole within 15 s, its headers within 5. Node takes the longer of these two for the whole.
    requestTimeout: 15 * SECOND,
    https: {
      ...tls,
      minVersion: "TLSv1.2",
      handshakeTimeout: 10 * SECOND,
      headersTimeout: 5 * SECOND,
      connectionsCheckingInterval: SECOND,
    },
    keepAliveTimeout: http.keepAliveMs,
    // A client that connects and sends nothing delays the stop no longer than this.
    connectionTimeout: 10 * SECOND,
    forceCloseConnections: "idle",
    // Nothing but the name in the address has a schema.
    schemaErrorFormatter: () => new ProblemError(problems.nothingHere()),
    genReqId: () => crypto.randomUUID(),
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: answerClientError,
    frameworkErrors: (fault, _request, reply) => void sendAsJson(problemOfFault(fault, unreadable), reply),
  }).withTypeProvider<TypeBoxTypeProvider>();
  const samples = sampleRefusals(app, logger, http.refusalsLoggedPerMinute);
  boundConnections(app.server, http, {
    keyOf: addressKey,
    // Hosts come by themselves.
    isProxy: () => false,
    onClosed: (kind, address) => {
      if (samples.admits(`connection closed: ${kind}`)) logger.warn({ kind, address }, "connection closed for a bound");
    },
  });
  readOutRefusedBodies(app);

  app.setErrorHandler((fault, request, reply) => {
    const problem = problemOfFault(fault, unreadable);
    if (problem.status >= 500 && samples.admits("enrolment failed"))
      request.log.error({ err: fault }, "enrolment failed");
    if (problem.retryAfterSeconds !== undefined) reply.header("retry-after", String(problem.retryAfterSeconds));
    return sendAsJson(problem, reply.header("cache-control", "no-store"));
  });
  app.setNotFoundHandler((_request, reply) => sendAsJson(problems.nothingHere(), reply));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(["application/pkcs10", "text/plain"], { parseAs: "string" }, (_request, body, done) =>
    done(null, body),
  );
  await app.register(rateLimit, {
    max: REQUESTS_A_MINUTE,
    timeWindow: "1 minute",
    errorResponseBuilder: (_request, context) =>
      new ProblemError(generalProblems.rateLimited(context.ttl, context.max)),
  });

  app.get("/healthz", { config: { rateLimit: false }, logLevel: "warn" }, () => ({ ok: true }));

  app.post(
    "/hosts/:name/enrolment",
    { schema: { params: Type.Object({ name: HostName }) } },
    async (request, reply) => {
      const token = bearerToken(request);
      if (token === undefined) throw new ProblemError(problems.tokenMissing());
      const { name: host } = request.params;
      const result = await enrolHost(enrol, {
        hostName: host,
        tokenHash: hashSecret(token),
        requestPem: typeof request.body === "string" ? request.body : "",
      });
      if (result.kind !== "enrolled") {
        const problem = result.kind === "refused" ? problems.tokenWrong() : generalProblems.invalid(result.reason);
        if (samples.admits(`enrolment refused: ${result.kind}`))
          request.log.warn({ host, address: request.ip, reason: problem.detail }, "enrolment refused");
        throw new ProblemError(problem);
      }
      request.log.info({ host, address: request.ip, ms: Math.round(reply.elapsedTime) }, "host enrolled");
      return reply
        .type("application/x-tar")
        .header("cache-control", "no-store")
        .send(await packAnswer(result));
    },
  );
  if (gateways) gatewayRoutes(gateways, logger)(app);
  return app;
}
