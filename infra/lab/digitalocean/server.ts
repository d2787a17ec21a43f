import { randomUUID, timingSafeEqual } from "node:crypto";
import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { takeEmptyJson } from "../../../apps/lib/http/requests.ts";
import type { CallLog } from "./calls.ts";
import type { Droplets } from "./droplets.ts";
import type { Faults, Occasion } from "./faults.ts";
import type { createRateLimits } from "./rate-limits.ts";
import { ApiError, apiErrors } from "./api-error.ts";

/** What the application is built from; its routes come on top. */
export type ServerParts = {
  readonly token: string;
  readonly limits: ReturnType<typeof createRateLimits>;
  readonly faults: Faults;
  readonly droplets: Droplets;
  readonly calls: CallLog;
};

const LARGEST_BODY = 1024 * 1024;

/** Builds what all requests go through: token, rate limits, faults, errors in the API's form. It does not listen. */
export function buildServer({ token, limits, faults, droplets, calls }: ServerParts): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: LARGEST_BODY,
    forceCloseConnections: true,
    // Some clients end lists' paths with one.
    routerOptions: { ignoreTrailingSlash: true },
    genReqId: () => randomUUID(),
  });
  takeEmptyJson(app);

  app.addHook("onRequest", async (request, reply) => {
    const now = Date.now();
    const isOwn = isSame(request.headers.authorization ?? "", `Bearer ${token}`);
    if (!isApi(request)) {
      if (!isOwn) throw apiErrors.unauthorized();
      return;
    }
    const turn = isOwn ? limits.take(now) : undefined;
    void reply.headers({ ...limits.headers(now), "x-request-id": request.id });
    if (turn === undefined) throw apiErrors.unauthorized();
    if (turn !== "taken") throw apiErrors.tooMany(turn.retryAfterSeconds);
  });

  app.addHook("preHandler", async (request, reply) => {
    if (!isApi(request)) return;
    const occasion = occasionOf(request, droplets);
    const limited = faults.strike(occasion, "rate-limit");
    if (limited) throw apiErrors.tooMany(limited.retryAfterSeconds);
    if (faults.strike(occasion, "server-error")) throw apiErrors.serverError();
    if (!faults.strike(occasion, "hang")) return;
    log(request, "none");
    reply.hijack();
  });

  app.addHook("onSend", async (request, reply, payload) => {
    if (!isApi(request)) return payload;
    const occasion = occasionOf(request, droplets);
    if (reply.statusCode < 300 && faults.strike(occasion, "answer-lost")) {
      log(request, "none");
      reply.hijack();
      request.raw.socket.destroy();
      return payload;
    }
    log(request, reply.statusCode);
    if (typeof payload !== "string" || !faults.strike(occasion, "half-answer")) return payload;
    const half = payload.slice(0, Math.floor(payload.length / 2));
    void reply.header("content-length", Buffer.byteLength(half));
    return half;
  });

  app.setErrorHandler((fault, request, reply) => {
    const refusal =
      fault instanceof ApiError ? fault : isClientsFault(fault) ? apiErrors.badRequest() : apiErrors.serverError();
    if (refusal.retryAfterSeconds !== undefined) void reply.header("retry-after", refusal.retryAfterSeconds);
    return reply.code(refusal.status).send({ id: refusal.id, message: refusal.message, request_id: request.id });
  });
  app.setNotFoundHandler(() => {
    throw apiErrors.notFound();
  });
  return app;

  function log(request: FastifyRequest, status: number | "none"): void {
    calls.add({
      method: request.method,
      path: request.url,
      route: request.routeOptions.url ?? "",
      status,
      at: Date.now(),
    });
  }
}

/** What a rule may match in a request. A deleted droplet's name is still known while its deletion is answered. */
export function occasionOf(request: FastifyRequest, droplets: Droplets): Occasion {
  const { pathname, searchParams } = urlOf(request);
  const body: { name?: unknown; size?: unknown } =
    typeof request.body === "object" && request.body !== null ? request.body : {};
  const id = /^\/v2\/droplets\/(\d+)/.exec(pathname)?.[1];
  const droplet = id === undefined ? undefined : droplets.all().find((known) => known.id === Number(id));
  const name = droplet?.name ?? (typeof body.name === "string" ? body.name : (searchParams.get("name") ?? undefined));
  return {
    method: request.method,
    path: pathname,
    name,
    size: droplet?.size.slug ?? (typeof body.size === "string" ? body.size : undefined),
  };
}

/** The whole address of the request, which links in answers extend. */
export function urlOf(request: FastifyRequest): URL {
  return new URL(request.url, `${request.protocol}://${request.host}`);
}

/** The lab's own routes beside the API are not limited, and do not fail. */
function isApi(request: FastifyRequest): boolean {
  return !request.url.startsWith("/lab/");
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function isClientsFault(fault: unknown): boolean {
  return (
    fault instanceof Error && "statusCode" in fault && typeof fault.statusCode === "number" && fault.statusCode < 500
  );
}
