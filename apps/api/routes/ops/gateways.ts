import { Type } from "typebox";
import type { EdgeRoutes } from "../../../core/edge/edge-routes.ts";
import { gatewayStates } from "../../../core/edge/gateway.ts";
import { absentGatewayStates, gatewayOverviews } from "../../../core/operator/edge-overview.ts";
import type { GatewayDroplets } from "../../../core/fleet/contract.ts";
import type { Leases } from "../../../core/instances/contract.ts";
import type { Service } from "../../../core/services/service.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import type { App } from "../../app.ts";
import { InstanceId } from "../schemas.ts";
import { forOperator, forViewer } from "./schemas.ts";

/** What the calls on gateways need. */
export type OpsGatewayParts = {
  /** Undefined without an edge. */
  readonly edge?: Pick<EdgeRoutes, "list" | "trace"> | undefined;
  readonly store: {
    readonly leases: Pick<Leases, "find">;
    readonly gatewayDroplets: Pick<GatewayDroplets, "list">;
  };
  readonly rules: { readonly service: Pick<Service, "edge"> };
};

/** Time that gateways get to say what they carry. */
const TRACE_MS = 2000;

const Gateway = Type.Object(
  {
    name: Type.String({ description: "Name of the gateway." }),
    state: Type.Enum([...gatewayStates, "unreadable", ...absentGatewayStates], {
      description:
        "live: it carries all routes. joining: it is about to. draining: it carries them, and gets no new clients. " +
        "unreadable: what it says of itself cannot be read. On droplets that the fleet orders: ordered and booting before " +
        "it lives, silent when it gives no sign of life, destroying at its end.",
    }),
    addresses: Type.Array(Type.String(), { description: "Addresses at which the world reaches it." }),
    routes: Type.Union([Type.Integer(), Type.Null()], { description: "Routes that it carries. null: unknown." }),
    unroutable: Type.Union([Type.Integer(), Type.Null()], {
      description:
        "Instances that it cannot lead to, because their hosts are known by a name and no IP address. null: unknown.",
    }),
    connections: Type.Union([Type.Integer(), Type.Null()], {
      description: "Connections of clients that it holds. null: unknown.",
    }),
    mostConnections: Type.Union([Type.Integer(), Type.Null()], {
      description: "Connections that it takes at most. null: unknown.",
    }),
    version: Type.Union([Type.String(), Type.Null()], { description: "Version that it runs. null: unknown." }),
  },
  { title: "Gateway", description: "Who carries instances at the edge, as long as it says so each second." },
);
const EdgePlace = Type.Object(
  {
    domain: Type.String({
      description: "Each instance is reached at a name under it.",
      examples: ["redis.example.org"],
    }),
    port: Type.Integer({ description: "Port of all of them, for TLS.", examples: [6379] }),
  },
  { title: "Edge", description: "Where holders reach instances." },
);
const Trace = Type.Object(
  {
    instance: Type.String({ description: "Id of the instance." }),
    state: Type.String({ description: "Where the instance is in its life." }),
    hostName: Type.String({ description: "Name of the host that it runs on." }),
    gateways: Type.Array(
      Type.Object({
        name: Type.String({ description: "Name of the gateway." }),
        hasAnswered: Type.Boolean({ description: "Whether it has said in time what it carries." }),
        target: Type.Union([Type.String(), Type.Null()], {
          description: "Address and port that it leads to. null: nowhere, or it has not said.",
        }),
      }),
      { description: "All gateways that live." },
    ),
  },
  { title: "RouteTrace", description: "Where gateways lead who asks for an instance, as they say at this moment." },
);

const schemas = {
  list: {
    ...forViewer,
    operationId: "listGateways",
    summary: "List gateways",
    description:
      "Lists the gateways that live, by their names, and those on droplets that do not live so far, or any more. " +
      "Without an edge there is none.",
    response: { 200: Type.Array(Gateway) },
  },
  edge: {
    ...forViewer,
    operationId: "readEdge",
    summary: "Read where the edge is",
    description: "Tells the domain and the port at which gateways carry instances.",
    response: { 200: EdgePlace },
    refusals: ["no-edge"] satisfies ProblemName[],
  },
  trace: {
    ...forOperator,
    operationId: "traceInstance",
    summary: "Ask gateways where they lead to",
    description:
      "Asks all gateways that live where they lead clients of an instance, and waits for two seconds at most.",
    params: InstanceId,
    response: { 200: Trace },
    refusals: ["no-edge"] satisfies ProblemName[],
  },
};

/** Gateways of the edge. */
export function opsGatewayRoutes({ edge, store, rules }: OpsGatewayParts) {
  return (app: App) => {
    app.get("/ops/api/edge", { schema: schemas.edge }, () => {
      const place = rules.service.edge;
      if (!place) throw new ProblemError(problems.noEdge());
      return { ...place };
    });

    app.get("/ops/api/gateways", { schema: schemas.list }, async () => {
      const [living, ordered] = await Promise.all([edge?.list(), store.gatewayDroplets.list()]);
      return gatewayOverviews(living ?? [], ordered).map(({ addresses, ...overview }) => ({
        ...overview,
        addresses: [...addresses],
      }));
    });

    app.get("/ops/api/instances/:id/trace", { schema: schemas.trace }, async (request) => {
      if (!edge) throw new ProblemError(problems.noEdge());
      const instance = await store.leases.find(request.params.id);
      if (!instance) throw new ProblemError(problems.noInstance());
      const traced = await edge.trace(instance.id, TRACE_MS);
      return {
        instance: instance.id,
        state: instance.state,
        hostName: instance.hostName,
        gateways: traced.map(({ name, target }) => ({
          name,
          hasAnswered: target !== undefined,
          target: target ?? null,
        })),
      };
    });
  };
}
