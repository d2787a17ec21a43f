import type { FastifyReply, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { changeLease } from "../../../core/instances/change-lease.ts";
import { createInstance, type CreateResult, type Handout } from "../../../core/instances/create-instance.ts";
import { endInstance } from "../../../core/instances/end-instance.ts";
import { EngineFault } from "../../../core/fleet/engine-fault.ts";
import { shownState, type Instance } from "../../../core/instances/instance.ts";
import { Unavailable } from "../../../lib/unavailable.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { callerKey } from "../../callers/caller-key.ts";
import { isCrossSite } from "../../callers/cross-site.ts";
import { ownInstance } from "../../callers/own-instance.ts";
import { problemOfChange, problemOfCreate, problems } from "../../problems/problems.ts";
import type { App, ServerParts } from "../../server.ts";
import type { HomePage } from "../home/index.ts";
import { InstanceId, InstanceState, ProblemBody } from "../schemas.ts";

const HandoutBody = Type.Object({
  id: Type.String(),
  host: Type.String(),
  port: Type.Integer(),
  username: Type.Literal("default"),
  password: Type.String({ description: "Shown in this answer and never again" }),
  url: Type.String({ description: "For redis-cli -u and client libraries" }),
  createdAt: Type.String({ format: "date-time" }),
  expiresAt: Type.String({ format: "date-time" }),
  token: Type.String({
    description: "Bearer token to read, extend and end the instance; shown in this answer and never again",
  }),
});
const ttlSeconds = Type.Integer({ description: "Lifetime in seconds" });
const HandoutRequest = Type.Object({ ttlSeconds: Type.Optional(ttlSeconds) }, { additionalProperties: false });
const Change = Type.Object({ ttlSeconds }, { additionalProperties: false });
const Formats = Type.Object({
  format: Type.Optional(Type.Enum(["json", "url", "env"], { description: "Overrides the Accept header" })),
});
const IdempotencyHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: "Hard to guess; the same key and body give the same instance while it runs",
    }),
  ),
});

type Format = "json" | "url" | "env" | "html";

/** `/instances`: getting one, and its owner's calls. */
export function instanceRoutes(parts: ServerParts, home: HomePage) {
  const { config, store, create, lease, metrics } = parts;

  return (app: App) => {
    app.post(
      "/instances",
      {
        config: { rateLimit: { max: config.instances.handoutRateLimitPerMinute, timeWindow: "1 minute" } },
        // No body at all asks for the usual lifetime.
        preValidation: (request, _reply, done) => {
          (request as FastifyRequest).body = plainBody(request);
          done();
        },
        schema: {
          tags: ["instances"],
          summary: "Get a Redis",
          description:
            "The answer comes once the instance has answered PONG to the password. Accept: text/plain gives the bare URL, ?format=env a REDIS_URL= line.",
          consumes: ["application/json", "application/x-www-form-urlencoded"],
          produces: ["application/json", "text/plain", "text/html"],
          body: HandoutRequest,
          querystring: Formats,
          headers: IdempotencyHeaders,
          response: { 201: Type.Union([HandoutBody, Type.String()]), "4xx": ProblemBody, "5xx": ProblemBody },
        },
      },
      async (request, reply) => {
        const format = formatOf(request);
        const hungUp = new AbortController();
        reply.raw.once("close", () => {
          if (!reply.raw.writableFinished) hungUp.abort();
        });
        const stopTimer = metrics.handoutSeconds.startTimer();
        const result = await createInstance(create, {
          address: callerKey(request),
          ttlSeconds: request.body.ttlSeconds,
          idempotencyKey: request.headers["idempotency-key"],
          signal: hungUp.signal,
        }).catch((fault: unknown) => {
          metrics.handouts.inc({ result: fault instanceof Unavailable ? "unavailable" : "fault" });
          throw fault;
        });
        metrics.handouts.inc({ result: labelOf(result) });
        if (result.kind !== "created") {
          request.log.info({ result }, "hand-out refused");
          throw new ProblemError(problemOfCreate(result, create.clock()));
        }
        if (!result.replayed) stopTimer();
        request.log.info(
          { instance: result.handout.id, host: result.hostName, replayed: result.replayed },
          "instance handed out",
        );
        reply.code(201).header("location", `/instances/${result.handout.id}`).header("cache-control", "no-store");
        if (result.replayed) reply.header("idempotent-replayed", "true");
        return sendHandout(reply, format, result.handout, () => home.render(request, { instance: result.handout }));
      },
    );

    app.get(
      "/instances/:id",
      {
        schema: {
          tags: ["instances"],
          summary: "State of an instance",
          security: [{ owner: [] }],
          params: InstanceId,
          response: { 200: InstanceState, "4xx": ProblemBody },
        },
      },
      async (request, reply) => {
        const instance = await ownInstance(store, request, request.params.id);
        return reply.header("cache-control", "no-store").send(describeInstance(instance, create.clock()));
      },
    );

    app.patch(
      "/instances/:id",
      {
        schema: {
          tags: ["instances"],
          summary: "Extend or shorten the lease: it ends ttlSeconds from now",
          security: [{ owner: [] }],
          params: InstanceId,
          body: Change,
          response: { 200: InstanceState, "4xx": ProblemBody },
        },
      },
      async (request, reply) => {
        const instance = await ownInstance(store, request, request.params.id);
        const result = await changeLease(lease, instance, request.body.ttlSeconds);
        if (result.kind !== "changed") throw new ProblemError(problemOfChange(result));
        request.log.info({ instance: instance.id, expiresAt: result.instance.expiresAt }, "lease changed");
        return reply.header("cache-control", "no-store").send(describeInstance(result.instance, create.clock()));
      },
    );

    app.delete(
      "/instances/:id",
      {
        schema: {
          tags: ["instances"],
          summary: "End an instance",
          description:
            "204 when it is gone; 202 when its lease has ended but its host does not answer: it goes as soon as the host does.",
          security: [{ owner: [] }],
          params: InstanceId,
          response: { 202: Type.Null(), 204: Type.Null(), "4xx": ProblemBody },
        },
      },
      async (request, reply) => {
        const instance = await ownInstance(store, request, request.params.id);
        const place = await store.leases.findContainer(instance.id);
        if (!place) throw new ProblemError(problems.noInstance());
        try {
          await endInstance(create, place, "owner");
        } catch (fault) {
          if (!(fault instanceof EngineFault)) throw fault;
          request.log.warn({ instance: instance.id, host: fault.hostName, err: fault }, "container not removed yet");
          return reply.code(202).send(null);
        }
        request.log.info({ instance: instance.id }, "instance ended by its owner");
        return reply.code(204).send(null);
      },
    );
  };
}

/** How metrics name it: a retry that gets the known answer hands out nothing. */
function labelOf(result: CreateResult): string {
  if (result.kind === "created") return result.replayed ? "replayed" : "created";
  return result.kind === "no-capacity" ? result.reason : result.kind;
}

/** What its owner and ops see of an instance; never the password. */
export function describeInstance(instance: Instance, now: Date): Static<typeof InstanceState> {
  return {
    id: instance.id,
    state: shownState(instance, now),
    host: instance.publicHost,
    port: instance.port,
    username: "default",
    createdAt: instance.createdAt.toISOString(),
    expiresAt: instance.expiresAt.toISOString(),
    endedAt: instance.endedAt?.toISOString() ?? null,
    endCause: instance.endCause,
  };
}

/** The body as fields: none for none; those of a form as the numbers that they spell. */
function plainBody(request: FastifyRequest): Static<typeof HandoutRequest> {
  // Another site would spend its visitor's quota, by a form or by a script that never sees the answer.
  if (isCrossSite(request)) throw new ProblemError(problems.crossSite());
  if (!request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded")) return request.body ?? {};
  const fields = Object.entries(request.body as Record<string, string>);
  if (fields.some(([name]) => name.startsWith("{")))
    throw new ProblemError(
      problems.invalid("This body is JSON but was sent as a form. Add the header Content-Type: application/json."),
    );
  return Object.fromEntries(
    fields
      .filter(([, value]) => value !== "")
      .map(([name, value]) => [name, /^\d+$/.test(value) ? Number(value) : value]),
  );
}

function formatOf(request: FastifyRequest<{ Querystring: Static<typeof Formats> }>): Format {
  if (request.query.format) return request.query.format;
  switch (request.accepts().type(["application/json", "text/plain", "text/html"])) {
    case "application/json":
      return "json";
    case "text/plain":
      return "url";
    case "text/html":
      return "html";
    default:
      throw new ProblemError(problems.notAcceptable());
  }
}

async function sendHandout(
  reply: FastifyReply,
  format: Format,
  handout: Handout,
  renderPage: () => Promise<string>,
): Promise<FastifyReply> {
  switch (format) {
    case "json":
      return reply.type("application/json; charset=utf-8").send(`${JSON.stringify(handout, null, 2)}\n`);
    case "url":
      return reply.type("text/plain; charset=utf-8").send(`${handout.url}\n`);
    case "env":
      return reply.type("text/plain; charset=utf-8").send(`REDIS_URL=${handout.url}\n`);
    case "html":
      return reply.type("text/html; charset=utf-8").send(await renderPage());
  }
}
