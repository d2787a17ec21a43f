import { Type, type Static } from "typebox";
import type { Service } from "../../../core/services/service.ts";
import { endForOperator, extendForOperator, type OperateInstancesPorts } from "../../../core/operator/operate.ts";
import type { Leases } from "../../../core/instances/contract.ts";
import type { Instance } from "../../../core/instances/instance.ts";
import type { Caller } from "../../../core/operator/operators.ts";
import { seesVisitors } from "../../../core/operator/viewer.ts";
import type { InstanceDirectory } from "../../../core/operator/contract.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problemOfChange, problems } from "../../problems/problems.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import type { App } from "../../app.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, moment } from "./schemas.ts";
import { describeInstance, sendEnd } from "../instance-answers.ts";
import { endAnswers, InstanceId, InstanceState, NewLease } from "../schemas.ts";

const OpsInstance = Type.Object(
  {
    ...InstanceState.properties,
    hostName: Type.String({ description: "Name of the host that it runs on." }),
    address: Type.String({
      description: "Address of its holder, as quotas count it. Empty for viewers, and once it has been erased.",
    }),
    handedOutAt: moment("When it was handed out. null: not yet."),
    warmSince: moment("Since when it had been ready when it was asked for. null: it was started for its holder."),
    latestEnd: Type.String({ format: "date-time", description: "The latest end that an extension can give it." }),
  },
  { title: "OperatorInstance", description: "An instance as operators read it." },
);
/** An instance as the operator reads it. */
export type OpsInstance = Static<typeof OpsInstance>;
const MOST_INSTANCES = 1000;
const Search = Type.Object(
  {
    text: Type.Optional(
      Type.String({
        maxLength: 100,
        description:
          "Beginning of an id or of a holder's address, part of a host's name, address:port of an instance, or :port.",
      }),
    ),
    state: Type.Optional(
      Type.Enum(["open", "all", "starting", "running", "ending", "ended"], {
        description: "Only instances in this state. open if you send none: all that have not ended.",
      }),
    ),
    host: Type.Optional(Type.String({ maxLength: 63, description: "Name of a host: only instances on it." })),
    at: Type.Optional(
      Type.String({
        format: "date-time",
        description: "Only instances that had their address and port then. Ended ones too if you send no state.",
      }),
    ),
    order: Type.Optional(
      Type.Enum(["created", "expires", "address", "host"], {
        description: "What to sort by. created if you send none.",
      }),
    ),
    direction: Type.Optional(Type.Enum(["ascending", "descending"], { description: "descending if you send none." })),
    after: Type.Optional(
      Type.String({ pattern: "^[0-9a-z]{16}$", description: "Id of the last instance of the page before." }),
    ),
    most: Type.Optional(
      Type.String({
        pattern: "^([1-9]\\d{0,2}|1000)$",
        description: `Instances on a page. ${MOST_INSTANCES} if you send none.`,
      }),
    ),
  },
  { additionalProperties: false },
);
/** Which instances to list, and how, as the query of a URL. */
export type OpsSearch = Static<typeof Search>;

const schemas = {
  list: {
    ...forViewer,
    operationId: "listInstances",
    summary: "Search instances",
    description: "Lists instances of everybody, a page at a time.",
    querystring: Search,
    response: {
      200: {
        description: "A page of instances.",
        headers: { "Total-Count": Type.Integer({ description: "Instances on all pages." }) },
        content: { "application/json": { schema: Type.Array(OpsInstance) } },
      },
    },
  },
  read: {
    ...forViewer,
    operationId: "readAnyInstance",
    summary: "Read an instance of anybody",
    description: "Tells what operators see of an instance.",
    params: InstanceId,
    response: { 200: OpsInstance },
  },
  change: {
    ...forOperator,
    operationId: "changeAnyLease",
    summary: "Extend or shorten an instance of anybody",
    description: "The instance ends `ttlSeconds` from now, within the bounds that hold for all.",
    params: InstanceId,
    body: NewLease,
    response: { 200: OpsInstance },
    refusals: ["instance-ended"] satisfies ProblemName[],
  },
  end: {
    ...forOperator,
    operationId: "endAnyInstance",
    summary: "End an instance of anybody",
    description: "Deletes the instance with all its data.",
    params: InstanceId,
    response: endAnswers,
  },
};

/** What the calls on instances need. */
export type OpsInstanceParts = OperateInstancesPorts & {
  readonly store: { readonly search: InstanceDirectory; readonly leases: Pick<Leases, "find"> };
  readonly rules: { readonly service: Pick<Service, "addressOf"> };
  readonly settings: { readonly transferBytes: number };
};

/** Instances of everybody. */
export function opsInstanceRoutes(parts: OpsInstanceParts) {
  const { store, clock, rules, settings } = parts;

  return (app: App) => {
    app.get("/ops/api/instances", { schema: schemas.list }, async (request, reply) => {
      const caller = callerOf(request);
      const isBlind = !seesVisitors(caller.role);
      const { text, host, at, after, order = "created", direction = "descending", most } = request.query;
      const { state = at === undefined ? "open" : "all" } = request.query;
      const heldAt = at === undefined ? undefined : new Date(at);
      // A leap second is a date-time, and no moment that a Date knows.
      if (heldAt && Number.isNaN(heldAt.getTime())) throw new ProblemError(problems.invalid("at is no moment."));
      // The order tells how an address compares to one that is known.
      if (isBlind && order === "address") throw new ProblemError(problems.roleNeeded(caller, "operator"));
      const search = {
        text: text?.trim(),
        host,
        heldAt,
        after,
        state,
        order,
        descending: direction === "descending",
        withoutHolders: isBlind,
      };
      const [found, total] = await Promise.all([
        store.search.find(search, Number(most ?? MOST_INSTANCES)),
        store.search.count(search),
      ]);
      const now = clock();
      return reply
        .header("total-count", String(total))
        .send(found.map((instance) => describe(instance, rules.service, settings.transferBytes, now, caller)));
    });

    app.get("/ops/api/instances/:id", { schema: schemas.read }, async (request) => {
      const instance = await store.leases.find(request.params.id);
      if (!instance) throw new ProblemError(problems.noInstance());
      return describe(instance, rules.service, settings.transferBytes, clock(), callerOf(request));
    });

    app.patch("/ops/api/instances/:id", { schema: schemas.change }, async (request) => {
      const instance = await store.leases.find(request.params.id);
      if (!instance) throw new ProblemError(problems.noInstance());
      const caller = callerOf(request);
      const result = await extendForOperator(parts, caller.name, instance, request.body.ttlSeconds);
      if (result.kind === "lease-out-of-bounds") {
        const { leastSeconds, mostSeconds } = result;
        throw new ProblemError({ ...problemOfChange(result), members: { leastSeconds, mostSeconds } });
      }
      if (result.kind !== "changed") throw new ProblemError(problemOfChange(result));
      const { expiresAt } = result.instance;
      request.log.info({ by: caller.name, instance: instance.id, expiresAt }, "operator changed a lease");
      return describe({ ...instance, ...result.instance }, rules.service, settings.transferBytes, clock(), caller);
    });

    app.delete("/ops/api/instances/:id", { schema: schemas.end }, async (request, reply) => {
      const { id } = request.params;
      const by = callerOf(request).name;
      request.log.info({ by, instance: id }, "operator ends an instance");
      const result = await endForOperator(parts, by, id);
      if (result.kind === "unknown") throw new ProblemError(problems.noInstance());
      return sendEnd(result, id, request, reply);
    });
  };
}

function describe(
  instance: Instance,
  service: Pick<Service, "addressOf">,
  transferBytes: number,
  now: Date,
  { role }: Caller,
): OpsInstance {
  return {
    ...describeInstance(instance, service, transferBytes, now),
    hostName: instance.hostName,
    address: seesVisitors(role) ? instance.address : "",
    handedOutAt: instance.handedOutAt?.toISOString() ?? null,
    warmSince: instance.warmSince?.toISOString() ?? null,
    latestEnd: instance.latestEnd.toISOString(),
  };
}
