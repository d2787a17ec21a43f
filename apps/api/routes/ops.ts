import { Type } from "typebox";
import { changeLease } from "../../core/actions/change-lease.ts";
import { endInstance } from "../../core/actions/end-instance.ts";
import { hashSecret, matchesHash } from "../../core/domain/credentials.ts";
import { EngineFault } from "../../core/domain/engine-fault.ts";
import { bearerToken } from "../bearer-token.ts";
import { ProblemError, problemOfChange, problems } from "../problem.ts";
import type { App, ServerParts } from "../server.ts";
import { describeInstance } from "./instances.ts";
import { InstanceState, ProblemBody } from "./schemas.ts";

const OpsHost = Type.Object({
  name: Type.String(),
  state: Type.String({ description: "active, cordoned or draining" }),
  standing: Type.String({ description: "open, or why it gets no instance now" }),
  capacity: Type.Integer(),
  inUse: Type.Integer(),
  occupied: Type.Integer(),
  heartbeat: Type.Union([Type.Unknown(), Type.Null()]),
  heartbeatRefused: Type.Union([Type.String(), Type.Null()]),
});
const OpsInstance = Type.Object({ ...InstanceState.properties, hostName: Type.String(), address: Type.String() });
const Moment = Type.Union([Type.String({ format: "date-time" }), Type.Null()]);
const OpsJob = Type.Object({ job: Type.String(), startedAt: Moment, finishedAt: Moment, succeededAt: Moment, fault: Type.Union([Type.String(), Type.Null()]) });
const Id = Type.Object({ id: Type.String({ pattern: "^[0-9a-z]{16}$" }) });
const MOST_INSTANCES = 1000;

/** `/ops/api`: what the operator sees and may do. Every call needs the operator's token. */
export function opsRoutes({ config, store, fleet, create, lease }: ServerParts) {
  const opsTokenHash = hashSecret(config.OPS_TOKEN);

  return (app: App) => {
    // After onRequest, where guesses are counted against the rate limit, and before any body is read.
    app.addHook("preParsing", (request, _reply, payload, done) => {
      const token = bearerToken(request);
      if (token === undefined) throw new ProblemError(problems.opsTokenMissing());
      if (!matchesHash(token, opsTokenHash)) throw new ProblemError(problems.tokenWrong());
      done(null, payload);
    });
    const security = [{ operator: [] }];
    const refusals = { "4xx": ProblemBody };

    app.get("/ops/api/hosts", { schema: { tags: ["operator"], summary: "Hosts with slots, heartbeats and standings", security, response: { 200: Type.Array(OpsHost), ...refusals } } }, () =>
      fleet.standings(create.clock()).map(({ host, pulse, inUse, occupied, standing }) => ({
        name: host.name,
        state: host.state,
        standing,
        capacity: host.capacity,
        inUse,
        occupied,
        heartbeat: pulse?.kind === "beat" ? pulse.beat : null,
        heartbeatRefused: pulse?.kind === "refused" ? pulse.reason : null,
      })),
    );

    app.patch(
      "/ops/api/hosts/:name",
      {
        schema: {
          tags: ["operator"],
          summary: "Open a host to hand-outs, or close it",
          security,
          params: Type.Object({ name: Type.String({ maxLength: 63 }) }),
          body: Type.Object({ state: Type.Union([Type.Literal("active"), Type.Literal("cordoned")]) }, { additionalProperties: false }),
          response: { 204: Type.Null(), ...refusals },
        },
      },
      async (request, reply) => {
        if (!(await store.setHostState(request.params.name, request.body.state))) throw new ProblemError(problems.noHost());
        request.log.info({ host: request.params.name, state: request.body.state }, "operator set a host's state");
        return reply.code(204).send(null);
      },
    );

    app.get("/ops/api/instances", { schema: { tags: ["operator"], summary: `Instances not ended, newest first, ${MOST_INSTANCES} at most`, security, response: { 200: Type.Array(OpsInstance), ...refusals } } }, async () => {
      const now = create.clock();
      return (await store.listOpen(MOST_INSTANCES)).map((instance) => ({ ...describeInstance(instance, now), hostName: instance.hostName, address: instance.address }));
    });

    app.patch(
      "/ops/api/instances/:id",
      { schema: { tags: ["operator"], summary: "Let a lease end ttlSeconds from now", security, params: Id, body: Type.Object({ ttlSeconds: Type.Integer() }, { additionalProperties: false }), response: { 200: InstanceState, ...refusals } } },
      async (request) => {
        const instance = await store.findInstance(request.params.id);
        if (!instance) throw new ProblemError(problems.noInstance());
        const result = await changeLease(lease, instance, request.body.ttlSeconds);
        if (result.kind !== "changed") throw new ProblemError(problemOfChange(result));
        request.log.info({ instance: instance.id, expiresAt: result.instance.expiresAt }, "operator changed a lease");
        return describeInstance(result.instance, create.clock());
      },
    );

    app.delete("/ops/api/instances/:id", { schema: { tags: ["operator"], summary: "End an instance", security, params: Id, response: { 202: Type.Null(), 204: Type.Null(), ...refusals } } }, async (request, reply) => {
      const place = await store.findContainer(request.params.id);
      if (!place) throw new ProblemError(problems.noInstance());
      request.log.info({ instance: place.instanceId }, "operator ends an instance");
      try {
        await endInstance(create, place, "operator");
      } catch (fault) {
        if (!(fault instanceof EngineFault)) throw fault;
        return reply.code(202).send(null);
      }
      return reply.code(204).send(null);
    });

    app.get("/ops/api/jobs", { schema: { tags: ["operator"], summary: "The last run of each job", security, response: { 200: Type.Array(OpsJob), ...refusals } } }, async () =>
      (await store.listRuns()).map((run) => ({
        job: run.job,
        startedAt: run.startedAt.toISOString(),
        finishedAt: run.finishedAt?.toISOString() ?? null,
        succeededAt: run.succeededAt?.toISOString() ?? null,
        fault: run.fault,
      })),
    );
  };
}
