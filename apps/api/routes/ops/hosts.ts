import { sendAccepted } from "../accepted.ts";
import { Type } from "typebox";
import type { Droplets } from "../../../core/fleet/contract.ts";
import type { FleetCache } from "../../../core/fleet/fleet-cache.ts";
import { destroyHost, setHostState, type OperateHostsPorts } from "../../../core/operator/operate.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import type { App } from "../../app.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, HostName, moment } from "./schemas.ts";

const OpsHost = Type.Object(
  {
    name: Type.String({ description: "Name of the host." }),
    state: Type.String({ description: "What the operator has set: active, cordoned or draining." }),
    standing: Type.String({ description: "open, or why the host gets no instance now." }),
    capacity: Type.Integer({ description: "Instances that the host can run." }),
    inUse: Type.Integer({ description: "Instances that people hold on it." }),
    occupied: Type.Integer({ description: "Slots that are not free, those of ending instances included." }),
    warm: Type.Integer({
      description: "Slots that instances hold which are kept ready for the next hand-outs: they make room for others.",
    }),
    heartbeat: Type.Union([Type.Unknown(), Type.Null()], {
      description: "The last heartbeat as the host sent it. null: there is none.",
    }),
    heartbeatRefused: Type.Union([Type.String(), Type.Null()], {
      description: "Why the last heartbeat could not be read. null: it could, or there is none.",
    }),
  },
  { title: "Host", description: "A machine that runs instances." },
);
const OpsDroplet = Type.Object(
  {
    name: Type.String({ description: "Name of the droplet, and of its host." }),
    state: Type.String({ description: "ordered, booting, joined or destroying." }),
    dropletId: Type.Union([Type.Integer(), Type.Null()], {
      description: "Id at DigitalOcean. null: it has not been told yet.",
    }),
    orderedAt: Type.String({ format: "date-time", description: "When the droplet was ordered." }),
    joinedAt: moment("When it became a host. null: it has not."),
    idleSince: moment("Since when it has had no instance. null: it has some."),
    unhealthySince: moment("Since when its heartbeat has been missing. null: it is there."),
  },
  { title: "Droplet", description: "A machine at DigitalOcean." },
);

const schemas = {
  list: {
    ...forViewer,
    operationId: "listHosts",
    summary: "List hosts",
    description: "Lists all hosts with their slots, heartbeats and standings.",
    response: { 200: Type.Array(OpsHost) },
  },
  change: {
    ...forOperator,
    operationId: "changeHost",
    summary: "Open, cordon or drain a host",
    description:
      "A cordoned host takes no new instances for now. A draining host takes none any more, and its droplet is " +
      "destroyed once it is empty.",
    params: HostName,
    body: Type.Object(
      {
        state: Type.Enum(["active", "cordoned", "draining"], {
          description: "What the host is to be.",
          examples: ["cordoned"],
        }),
      },
      { additionalProperties: false, title: "HostChange", description: "A new state of a host." },
    ),
    response: { 204: Type.Null({ description: "The host has this state." }) },
  },
  destroy: {
    ...forOperator,
    operationId: "destroyHost",
    summary: "Destroy a host",
    description:
      "The droplet is destroyed with the next step of the scaling. A host that runs instances, balances ports or runs " +
      "workloads is refused, unless `confirm` is its name: then they are lost.",
    params: HostName,
    querystring: Type.Object(
      {
        confirm: Type.Optional(
          Type.String({ maxLength: 63, description: "Name of the host, to destroy it with its instances." }),
        ),
      },
      { additionalProperties: false },
    ),
    response: { 202: Type.Null({ description: "The droplet will be destroyed." }) },
    refusals: ["not-ours", "still-ordered", "host-leased", "host-in-use"] satisfies ProblemName[],
  },
  listDroplets: {
    ...forViewer,
    operationId: "listDroplets",
    summary: "List droplets",
    description: "Lists the droplets that are ordered or there, the oldest order first.",
    response: { 200: Type.Array(OpsDroplet) },
  },
};

/** What the calls on hosts need. */
export type OpsHostParts = OperateHostsPorts & {
  readonly store: { readonly droplets: Pick<Droplets, "list"> };
  readonly fleet: Pick<FleetCache, "standings">;
};

/** Hosts and their droplets. */
export function opsHostRoutes(parts: OpsHostParts) {
  const { store, fleet, clock } = parts;

  return (app: App) => {
    app.get("/ops/api/hosts", { schema: schemas.list }, () =>
      fleet.standings(clock()).map(({ host, heartbeat, inUse, occupied, warm, standing }) => ({
        name: host.name,
        state: host.state,
        standing,
        capacity: host.capacity,
        inUse,
        occupied,
        warm,
        heartbeat: heartbeat?.kind === "beat" ? heartbeat.beat : null,
        heartbeatRefused: heartbeat?.kind === "refused" ? heartbeat.reason : null,
      })),
    );

    app.patch("/ops/api/hosts/:name", { schema: schemas.change }, async (request, reply) => {
      const { name } = request.params;
      const by = callerOf(request).name;
      if (!(await setHostState(parts, by, name, request.body.state))) throw new ProblemError(problems.noHost());
      request.log.info({ by, host: name, state: request.body.state }, "operator set a host's state");
      return reply.code(204).send(null);
    });

    app.delete("/ops/api/hosts/:name", { schema: schemas.destroy }, async (request, reply) => {
      const { name } = request.params;
      const by = callerOf(request).name;
      const result = await destroyHost(parts, by, name, request.query.confirm === name ? "lost" : "none");
      switch (result.kind) {
        case "unknown":
          throw new ProblemError(problems.noHost());
        case "not-ours":
          throw new ProblemError(problems.notOurs());
        case "still-ordered":
          throw new ProblemError(problems.stillOrdered());
        case "leased":
          throw new ProblemError(problems.leased(result.leases));
        case "for-operators":
          throw new ProblemError(problems.inUse());
        case "requested":
          request.log.info({ by, host: name }, "operator requested that a host is destroyed");
          return sendAccepted(reply);
      }
    });

    app.get("/ops/api/droplets", { schema: schemas.listDroplets }, async () =>
      (await store.droplets.list()).map((row) => ({
        ...row,
        orderedAt: row.orderedAt.toISOString(),
        joinedAt: row.joinedAt?.toISOString() ?? null,
        idleSince: row.idleSince?.toISOString() ?? null,
        unhealthySince: row.unhealthySince?.toISOString() ?? null,
      })),
    );
  };
}
