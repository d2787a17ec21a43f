import { Type } from "typebox";
import type { Droplets } from "../../../core/fleet/contract.ts";
import type { FleetCache } from "../../../core/fleet/fleet-cache.ts";
import { destroyHost, setHostState, type OperateHostsPorts } from "../../../core/operator/operate.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import type { App } from "../../app.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, HostName, Moment } from "./schemas.ts";
import { refusalsAndFaults } from "../schemas.ts";

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
const OpsDroplet = Type.Object({
  name: Type.String(),
  state: Type.String({ description: "ordered, booting, joined or destroying" }),
  dropletId: Type.Union([Type.Integer(), Type.Null()]),
  orderedAt: Moment,
  joinedAt: Moment,
  idleSince: Moment,
  unhealthySince: Moment,
});

const schemas = {
  list: {
    ...forViewer,
    summary: "Hosts with slots, heartbeats and standings",
    response: { 200: Type.Array(OpsHost), ...refusalsAndFaults },
  },
  change: {
    ...forOperator,
    summary: "Open a host to hand-outs, close it, or let it empty for good",
    description:
      "cordoned takes no instances for now; " +
      "draining takes none any more, and a droplet is destroyed once it is empty.",
    params: HostName,
    body: Type.Object({ state: Type.Enum(["active", "cordoned", "draining"]) }, { additionalProperties: false }),
    response: { 204: Type.Null(), ...refusalsAndFaults },
  },
  destroy: {
    ...forOperator,
    summary: "Destroy a host: its droplet goes with the next step of the scaling",
    description: "Refused while it has leases, unless confirm is its name: they are lost then.",
    params: HostName,
    querystring: Type.Object(
      { confirm: Type.Optional(Type.String({ maxLength: 63 })) },
      { additionalProperties: false },
    ),
    response: { 202: Type.Null(), ...refusalsAndFaults },
  },
  listDroplets: {
    ...forViewer,
    summary: "Droplets that are not gone, the oldest order first",
    response: { 200: Type.Array(OpsDroplet), ...refusalsAndFaults },
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
      fleet.standings(clock()).map(({ host, heartbeat, inUse, occupied, standing }) => ({
        name: host.name,
        state: host.state,
        standing,
        capacity: host.capacity,
        inUse,
        occupied,
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
        case "requested":
          request.log.info({ by, host: name }, "operator requested that a host is destroyed");
          return reply.code(202).send(null);
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
