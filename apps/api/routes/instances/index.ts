import type { FastifyRequest } from "fastify";
import { changeOwnLease, type ChangeOwnLeasePorts } from "../../../core/instances/change-lease.ts";
import type { Leases } from "../../../core/instances/contract.ts";
import { createInstance, type CreatePorts } from "../../../core/instances/create-instance.ts";
import { endInstance, type EndPorts } from "../../../core/instances/end-instance.ts";
import type { HandoutOutcome } from "../../../core/figures/figures.ts";
import type { CreateResult } from "../../../core/instances/handout.ts";
import type { RecordTimes } from "../../../core/operator/kept-records.ts";
import type { OperatorFacts } from "../../../core/settings/operator.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { Unavailable } from "../../../lib/unavailable.ts";
import type { App } from "../../app.ts";
import { callerKey } from "../../callers/caller-key.ts";
import { hungUpSignal } from "../../callers/hung-up.ts";
import { ownInstance } from "../../callers/own-instance.ts";
import { isFromOwnPage } from "../../callers/request-origin.ts";
import { servedOrigin } from "../../callers/served-origin.ts";
import type { Metrics } from "../../figures/metrics.ts";
import { noteRefusal } from "../../problems/refusals.ts";
import { problemOfChange, problemOfCreate, problems } from "../../problems/problems.ts";
import { guideFacts } from "../guides/index.ts";
import { describeInstance, sendEnd } from "../instance-answers.ts";
import { heldPath, keepSecrets } from "../held/cookie.ts";
import { formatOf, plainBody, sendHandout } from "./formats.ts";
import { schemas } from "./schemas.ts";

/** What the calls of an instance's holder need. */
export type InstanceRouteParts = CreatePorts &
  ChangeOwnLeasePorts &
  EndPorts & {
    readonly store: { readonly leases: Pick<Leases, "find" | "findAt" | "findContainer"> };
    readonly metrics: Pick<Metrics, "countHandout" | "countBeginning" | "timeHandout">;
    readonly settings: {
      readonly operator: OperatorFacts;
      readonly records: RecordTimes;
      readonly handoutsPerMinute: number;
      readonly transferBytes: number;
    };
  };

/** `/instances`: getting one, and its owner's calls. */
export function instanceRoutes(parts: InstanceRouteParts) {
  const { store, clock, metrics, rules, settings } = parts;
  const facts = guideFacts(parts);

  return (app: App) => {
    app.post(
      "/instances",
      {
        config: { rateLimit: { max: settings.handoutsPerMinute, timeWindow: "1 minute" } },
        preValidation: (request, _reply, done) => {
          // Another site would use up its visitor's quota, by a form or by a script that never sees the answer.
          if (!isFromOwnPage(request)) throw new ProblemError(problems.crossSite());
          (request as FastifyRequest).body = plainBody(request);
          done();
        },
        schema: schemas.create,
      },
      async (request, reply) => {
        const format = formatOf(request);
        const startedAt = performance.now();
        const result = await createInstance(parts, {
          address: callerKey(request),
          ttlSeconds: request.body.ttlSeconds,
          idempotencyKey: request.headers["idempotency-key"],
          proof: request.headers["proof-of-work"],
          signal: hungUpSignal(reply),
        }).catch((fault: unknown) => {
          metrics.countHandout(fault instanceof Unavailable ? "unavailable" : "fault");
          throw fault;
        });
        metrics.countHandout(outcomeOf(result));
        if (result.kind !== "created") {
          noteRefusal(request, outcomeOf(result));
          throw new ProblemError(problemOfCreate(result, servedOrigin(request), clock()));
        }
        const { handout, hostName, replayed, wasWarm } = result;
        if (!replayed) {
          metrics.timeHandout((performance.now() - startedAt) / 1000);
          metrics.countBeginning(wasWarm === true ? "warm" : "cold");
        }
        request.log.info({ instance: handout.id, host: hostName, replayed, warm: wasWarm }, "instance handed out");
        reply
          .code(201)
          .header("location", `/instances/${handout.id}`)
          // RFC 8594: for those who take the bare URL.
          .header("sunset", new Date(handout.expiresAt).toUTCString())
          .header("vary", "Accept")
          .header("cache-control", "no-store");
        if (replayed) reply.header("idempotent-replayed", "true");
        if (format === "html") {
          keepSecrets(reply, handout.id, handout, new Date(handout.expiresAt), clock());
          return reply.redirect(heldPath(handout.id), 303);
        }
        return sendHandout(reply, format, handout, facts, servedOrigin(request));
      },
    );

    app.get("/instances/:id", { schema: schemas.read }, async (request, reply) => {
      const { instance } = await ownInstance(store, rules.service, request, request.params.id);
      return reply
        .header("cache-control", "no-store")
        .send(describeInstance(instance, rules.service, settings.transferBytes, clock(), settings.operator.contact));
    });

    app.patch("/instances/:id", { schema: schemas.change }, async (request, reply) => {
      const { instance } = await ownInstance(store, rules.service, request, request.params.id);
      const result = await changeOwnLease(parts, instance, request.body.ttlSeconds);
      if (result.kind !== "changed") throw new ProblemError(problemOfChange(result));
      request.log.info({ instance: instance.id, expiresAt: result.instance.expiresAt }, "lease changed");
      return reply
        .header("cache-control", "no-store")
        .send(describeInstance(result.instance, rules.service, settings.transferBytes, clock()));
    });

    app.delete("/instances/:id", { schema: schemas.end }, async (request, reply) => {
      const { instance } = await ownInstance(store, rules.service, request, request.params.id);
      const place = await store.leases.findContainer(instance.id);
      if (!place) throw new ProblemError(problems.noInstance());
      const result = await endInstance(parts, place, "owner");
      if (result.kind === "ended") request.log.info({ instance: instance.id }, "instance ended by its owner");
      return sendEnd(result, instance.id, request, reply);
    });
  };
}

/** How a hand-out is counted: a retry that gets the known answer hands out nothing. */
function outcomeOf(result: CreateResult): HandoutOutcome | "replayed" {
  if (result.kind === "created") return result.replayed ? "replayed" : "created";
  return result.kind === "no-capacity" ? result.reason : result.kind;
}
