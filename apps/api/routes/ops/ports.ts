import pMap from "p-map";
import { Type, type Static } from "typebox";
import type { HostPorts, PortMaps } from "../../../core/ports/contract.ts";
import { changeMappedPort, mapPort, unmapPort, type OperatePortsPorts } from "../../../core/operator/operate-ports.ts";
import { listMembers } from "../../../core/ports/port-map.ts";
import { portStanding } from "../../../core/ports/port-map-report.ts";
import type { ChildPort, HostPort } from "../../../core/ports/port.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, HostName } from "./schemas.ts";

/** What the calls on balanced ports need. */
export type OpsPortParts = OperatePortsPorts & {
  readonly store: { readonly ports: Pick<HostPorts, "list"> };
  readonly portMaps: Pick<PortMaps, "read" | "readText">;
};

const READ_AT_ONCE = 8;
const PortNumber = Type.Integer({ minimum: 1, maximum: 65_535, description: "A TCP port.", examples: [8080] });
const Child = Type.Object(
  {
    host: Type.String({ maxLength: 63, description: "Name of the host.", examples: ["host-b"] }),
    port: PortNumber,
  },
  { additionalProperties: false, title: "ChildPort", description: "A balanced port of another host." },
);
const State = Type.Enum(["on", "stopped"], {
  description: "on: new connections are balanced. stopped: open ones go on, and new ones are refused.",
});
const Image = Type.Union([Type.String({ maxLength: 255 }), Type.Null()], {
  description: "Containers made from this image are the members. null: only children are.",
  examples: ["registry.example.org/web:1"],
});
const OpsPort = Type.Object(
  {
    host: Type.String({ description: "Name of the host." }),
    port: Type.Integer({ description: "Port of the host." }),
    image: Image,
    imagePort: Type.Integer({ description: "Port that the containers listen on." }),
    state: State,
    children: Type.Array(Child, { description: "Ports of other hosts that take a share, by the members behind them." }),
    members: Type.Array(
      Type.Object(
        {
          address: Type.String({ description: "Address of the container, or of the child's host." }),
          port: Type.Integer({ description: "Port there." }),
          kind: Type.Enum(["direct", "child"], {
            description: "direct: a container of the host. child: another host.",
          }),
          buckets: Type.Integer({
            description: "Its share of the table's PORT_TABLE_SIZE buckets. 0: it gets no new connections.",
          }),
        },
        { title: "PortMember", description: "Who gets connections of a balanced port." },
      ),
      { description: "Who is behind the port, as its host was told last." },
    ),
    inForce: Type.Union([Type.Boolean(), Type.Null()], {
      description:
        "Whether the host has reported that it does what it should. null: it has reported nothing of late, or was told " +
        "nothing yet.",
    }),
    fault: Type.Union([Type.String(), Type.Null()], {
      description: "Why the host refuses what it should do. null: it does not.",
    }),
  },
  { title: "BalancedPort", description: "A port of a host that is balanced over containers." },
);
/** A balanced port as the operator reads it. */
export type OpsPort = Static<typeof OpsPort>;
const NewPort = Type.Object(
  {
    image: Type.Optional(Image),
    imagePort: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65_535,
        description: "Port that the containers listen on. The host's own port if you send none.",
        examples: [80],
      }),
    ),
    children: Type.Optional(Type.Array(Child, { maxItems: 64, description: "None if you send none." })),
    state: Type.Optional(State),
  },
  { additionalProperties: false, title: "PortToBalance", description: "What a port is to be balanced over." },
);
const PortChange = Type.Object(
  {
    state: Type.Optional(State),
    addChild: Type.Optional(Child),
    removeChild: Type.Optional(Child),
  },
  { additionalProperties: false, minProperties: 1, title: "PortChange", description: "A change of a balanced port." },
);
const PortPlace = Type.Object({
  ...HostName.properties,
  port: Type.String({
    pattern: "^([1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])$",
    description: "TCP port of the host.",
    examples: ["8080"],
  }),
});

const schemas = {
  list: {
    ...forViewer,
    operationId: "listPorts",
    summary: "List balanced ports",
    description: "Lists the ports of hosts that are balanced over containers.",
    response: { 200: Type.Array(OpsPort) },
  },
  map: {
    ...forOperator,
    operationId: "mapPort",
    summary: "Balance a port",
    description:
      "From now on the kernel of the host sends each new connection to one of the containers of the image, here or " +
      "behind the children. Containers that come and go are followed. The host is no standby any more, and does not go " +
      "by itself. A repeated call replaces what was declared.",
    params: PortPlace,
    body: NewPort,
    response: { 200: OpsPort },
    refusals: ["not-found", "not-possible-here"] satisfies ProblemName[],
  },
  change: {
    ...forOperator,
    operationId: "changePort",
    summary: "Stop a port, start it again, add or remove a child",
    description: "Changes what is sent, and nothing else.",
    params: PortPlace,
    body: PortChange,
    response: { 200: OpsPort },
    refusals: ["not-found", "not-possible-here"] satisfies ProblemName[],
  },
  unmap: {
    ...forOperator,
    operationId: "unmapPort",
    summary: "Balance a port no more",
    description: "New connections are refused, and open ones are reset. The port is nobody's child any more.",
    params: PortPlace,
    response: { 204: Type.Null({ description: "The port is not balanced any more." }) },
    refusals: ["not-found"] satisfies ProblemName[],
  },
};

/** Ports of hosts that are balanced over containers. */
export function opsPortRoutes(parts: OpsPortParts) {
  const { store, portMaps } = parts;

  async function shown(ports: readonly HostPort[]): Promise<OpsPort[]> {
    const hosts = [...new Set(ports.map(({ host }) => host))];
    const facts = await portMaps.read(hosts);
    const members = new Map(
      await pMap(hosts, async (host) => [host, listMembers((await portMaps.readText(host)) ?? "")] as const, {
        concurrency: READ_AT_ONCE,
      }),
    );
    return ports.map((port) => {
      return {
        ...port,
        children: [...port.children],
        members: [...(members.get(port.host)?.get(port.port) ?? [])],
        ...portStanding(facts.get(port.host) ?? {}),
      };
    });
  }

  async function shownOne(port: HostPort): Promise<OpsPort> {
    const [one] = await shown([port]);
    if (!one) throw new Error("a port is shown as none");
    return one;
  }

  return (app: App) => {
    app.get("/ops/api/ports", { schema: schemas.list }, async () => shown(await store.ports.list()));

    app.put("/ops/api/hosts/:name/ports/:port", { schema: schemas.map }, async (request) => {
      const { host, port } = placeOf(request.params);
      const { image = null, imagePort = port, children = [], state = "on" } = request.body;
      const by = callerOf(request).name;
      const result = await mapPort(parts, by, { host, port, image, imagePort, state, children });
      if (result.kind === "refused") throw new ProblemError(problems.notPossibleHere(result.reason));
      if (result.kind === "no-host" || !result.now) throw new ProblemError(problems.noHost());
      request.log.info({ by, host, port }, "operator balanced a port");
      return shownOne(result.now);
    });

    app.patch("/ops/api/hosts/:name/ports/:port", { schema: schemas.change }, async (request) => {
      const { host, port } = placeOf(request.params);
      const by = callerOf(request).name;
      const result = await changeMappedPort(parts, by, { host, port }, request.body);
      if (result.kind === "refused") throw new ProblemError(problems.notPossibleHere(result.reason));
      if (result.kind === "no-host") throw new ProblemError(problems.noHost());
      if (!result.now) throw new ProblemError(problems.notBalanced());
      request.log.info({ by, host, port }, "operator changed a balanced port");
      return shownOne(result.now);
    });

    app.delete("/ops/api/hosts/:name/ports/:port", { schema: schemas.unmap }, async (request, reply) => {
      const { host, port } = placeOf(request.params);
      const by = callerOf(request).name;
      if (!(await unmapPort(parts, by, { host, port }))) throw new ProblemError(problems.notBalanced());
      request.log.info({ by, host, port }, "operator balances a port no more");
      return reply.code(204).send(null);
    });
  };
}

function placeOf({ name, port }: Static<typeof PortPlace>): ChildPort {
  return { host: name, port: Number(port) };
}
