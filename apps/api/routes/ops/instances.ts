import { Type, type Static } from "typebox";
import { endForOperator, extendForOperator } from "../../../core/operator/operate.ts";
import type { Instance } from "../../../core/instances/instance.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problemOfChange, problems } from "../../problems/problems.ts";
import type { App } from "../../server.ts";
import { describeInstance } from "../instances/index.ts";
import { forOperator, Moment, refusals } from "./schemas.ts";
import type { OpsParts } from "./index.ts";
import { InstanceId, InstanceState } from "../schemas.ts";

const OpsInstance = Type.Object({
  ...InstanceState.properties,
  hostName: Type.String(),
  address: Type.String({ description: "Holder's, as quotas count it" }),
  handedOutAt: Moment,
  latestEnd: Type.String({ format: "date-time", description: "No extension passes it" }),
});
const MOST_INSTANCES = 1000;
const Search = Type.Object(
  {
    text: Type.Optional(
      Type.String({
        maxLength: 100,
        description: "Beginning of an id or a holder's address, part of a host's name, or an instance's address:port",
      }),
    ),
    state: Type.Optional(
      Type.Enum(["open", "all", "starting", "running", "ending", "ended"], {
        description: "open, when not given: all that have not ended",
      }),
    ),
    host: Type.Optional(Type.String({ maxLength: 63 })),
    order: Type.Optional(
      Type.Enum(["created", "expires", "address", "host"], { description: "created, when not given" }),
    ),
    direction: Type.Optional(Type.Enum(["ascending", "descending"], { description: "descending, when not given" })),
    after: Type.Optional(
      Type.String({ pattern: "^[0-9a-z]{16}$", description: "id of the last instance of the page before" }),
    ),
    most: Type.Optional(
      Type.String({
        pattern: "^([1-9]\\d{0,2}|1000)$",
        description: `Length of a page, ${MOST_INSTANCES} at most and when not given`,
      }),
    ),
  },
  { additionalProperties: false },
);

/** Instances of everybody. */
export function opsInstanceRoutes({ store, create, operate }: OpsParts) {
  return (app: App) => {
    app.get(
      "/ops/api/instances",
      {
        schema: {
          ...forOperator,
          summary: "Instances, searched, in an order, a page at a time",
          description: "The header total-count tells how many there are on all pages.",
          querystring: Search,
          response: { 200: Type.Array(OpsInstance), ...refusals },
        },
      },
      async (request, reply) => {
        const { text, host, after, state = "open", order = "created", direction = "descending", most } = request.query;
        const search = { text: text?.trim(), host, after, state, order, descending: direction === "descending" };
        const [found, total] = await Promise.all([
          store.search.find(search, Number(most ?? MOST_INSTANCES)),
          store.search.count(search),
        ]);
        const now = create.clock();
        return reply.header("total-count", String(total)).send(found.map((instance) => describe(instance, now)));
      },
    );

    app.get(
      "/ops/api/instances/:id",
      {
        schema: {
          ...forOperator,
          summary: "One instance",
          params: InstanceId,
          response: { 200: OpsInstance, ...refusals },
        },
      },
      async (request) => {
        const instance = await store.search.findOne(request.params.id);
        if (!instance) throw new ProblemError(problems.noInstance());
        return describe(instance, create.clock());
      },
    );

    app.patch(
      "/ops/api/instances/:id",
      {
        schema: {
          ...forOperator,
          summary: "Let a lease end ttlSeconds from now",
          params: InstanceId,
          body: Type.Object({ ttlSeconds: Type.Integer() }, { additionalProperties: false }),
          response: { 200: OpsInstance, ...refusals },
        },
      },
      async (request) => {
        const instance = await store.search.findOne(request.params.id);
        if (!instance) throw new ProblemError(problems.noInstance());
        const result = await extendForOperator(operate, instance, request.body.ttlSeconds);
        if (result.kind !== "changed") throw new ProblemError(problemOfChange(result));
        request.log.info({ instance: instance.id, expiresAt: result.instance.expiresAt }, "operator changed a lease");
        return describe({ ...instance, ...result.instance }, create.clock());
      },
    );

    app.delete(
      "/ops/api/instances/:id",
      {
        schema: {
          ...forOperator,
          summary: "End an instance",
          params: InstanceId,
          response: { 202: Type.Null(), 204: Type.Null(), ...refusals },
        },
      },
      async (request, reply) => {
        request.log.info({ instance: request.params.id }, "operator ends an instance");
        const outcome = await endForOperator(operate, request.params.id);
        if (outcome === "unknown") throw new ProblemError(problems.noInstance());
        return reply.code(outcome === "ended" ? 204 : 202).send(null);
      },
    );
  };
}

function describe(instance: Instance, now: Date): Static<typeof OpsInstance> {
  return {
    ...describeInstance(instance, now),
    hostName: instance.hostName,
    address: instance.address,
    handedOutAt: instance.handedOutAt?.toISOString() ?? null,
    latestEnd: instance.latestEnd.toISOString(),
  };
}
