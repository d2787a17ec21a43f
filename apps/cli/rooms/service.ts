import { Option, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Client, Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { readPort } from "../input/numbers.ts";
import type { Column, Tone } from "../output/table.ts";
import { stop, usage } from "../stopped.ts";

type Service = Schemas["Service"];

const NAME = "name of the service";
const PROTOCOLS = ["tcp", "tls", "http"] as const satisfies Service["protocol"][];
/** How members are chosen. */
export const POLICIES = [
  "round-robin",
  "least-connections",
  "consistent-hash",
  "location",
] as const satisfies Service["policy"][];
const PROBE = "how members are probed: tcp, redis (PING), http, or http:/path";

/** `service`: what gateways carry besides instances. */
export function addServiceRoom(program: CommandUnknownOpts, { operator, show }: Context): void {
  const room = program
    .command("service")
    .alias("services")
    .description("See, create, change and remove services: what gateways carry besides instances.");

  room
    .command("list")
    .description("List the services that are declared, and those that hosts announce, with how they are.")
    .action(async () => {
      const services = await answered((await operator()).GET("/ops/api/services"));
      show.rows(services, columns, "No service is declared or announced.");
    });

  room
    .command("show")
    .description("Show a service; getaredis pool list shows its members.")
    .argument("<name>", NAME)
    .action(async (name) => {
      const service = await findService(await operator(), name);
      show.fields(service, describe(service));
    });

  room
    .command("create")
    .description(
      "Have all gateways carry a service. Its members are added by getaredis pool add, or come from a key in Redis.",
    )
    .argument("<name>", NAME)
    .argument("<port>", "port that gateways listen on")
    .addOption(
      new Option("--protocol <protocol>", "tls and http end TLS at the gateway")
        .choices(PROTOCOLS)
        .default("tcp" as const),
    )
    .option("--name <domain...>", "names in TLS or domains in HTTP (default: whoever comes to the port)")
    .addOption(new Option("--policy <policy>", "how a member is chosen (default: round-robin)").choices(POLICIES))
    .option("--probe <probe>", `${PROBE} (default: tcp)`, readProbe)
    .option("--pool-key <key>", "key in Redis that has the members, such as serverPool")
    .action(async (name, port, { protocol, name: names, policy, probe, poolKey }) => {
      const api = await operator();
      const service = await answered(
        api.POST("/ops/api/services", {
          body: {
            name,
            port: readPort(port),
            protocol,
            ...(names !== undefined && { names }),
            ...(policy !== undefined && { policy }),
            ...(probe !== undefined && { probe }),
            ...(poolKey !== undefined && { poolKey }),
          },
        }),
      );
      show.done(service, `${name} is carried on port ${port} of all gateways.`);
    });

  room
    .command("change")
    .description("Change how the members of a service are chosen and probed.")
    .argument("<name>", NAME)
    .addOption(new Option("--policy <policy>", "how a member is chosen").choices(POLICIES))
    .option("--probe <probe>", PROBE, readProbe)
    .action(async (name, { policy, probe }) => {
      if (policy === undefined && probe === undefined) throw usage("Name what to change: --policy, --probe or both.");
      const api = await operator();
      const body = { ...(policy !== undefined && { policy }), ...(probe !== undefined && { probe }) };
      const changed = await answered(api.PATCH("/ops/api/services/{name}", { params: { path: { name } }, body }));
      show.done(changed, `${name} chooses by ${changed.policy}, and probes by ${probeText(changed)}.`);
    });

  room
    .command("remove")
    .description("Remove a service: new connections are refused, and open ones get some time to end.")
    .argument("<name>", NAME)
    .action(async (name) => {
      const api = await operator();
      await answered(api.DELETE("/ops/api/services/{name}", { params: { path: { name } } }));
      show.done({ name, removed: true }, `${name} is carried no more.`);
    });
}

/** The API has a list alone. @throws Stopped where there is no such service */
export async function findService(api: Client, name: string): Promise<Service> {
  const found = (await answered(api.GET("/ops/api/services"))).find((each) => each.name === name);
  if (found) return found;
  throw stop("notFound", "not-found", "Not found", `There is no service ${name}. getaredis service list shows all.`);
}

function readProbe(text: string): Schemas["Probe"] {
  if (text === "tcp" || text === "redis" || text === "http") return { kind: text };
  if (text.startsWith("http:/")) return { kind: "http", path: text.slice("http:".length) };
  throw usage("--probe must be tcp, redis, http, or http:/path.");
}

function probeText({ probe: { kind, path } }: Service): string {
  return path === undefined ? kind : `${kind}:${path}`;
}

const tones = {
  up: "good",
  untold: "good",
  degraded: "watch",
  draining: "watch",
  empty: "watch",
  unknown: "watch",
  down: "bad",
  "not-carried": "bad",
} as const satisfies Record<Service["state"], Tone>;

const columns: readonly Column<Service>[] = [
  { title: "NAME", of: ({ name }) => name },
  { title: "STATE", of: ({ state }) => state, tone: ({ state }) => tones[state] },
  { title: "PORT", of: ({ port }) => String(port) },
  { title: "PROTOCOL", of: ({ protocol }) => protocol },
  { title: "NAMES", of: ({ names }) => names.join(" ") || "-", isCut: true },
  { title: "POLICY", of: ({ policy }) => policy },
  { title: "PROBE", of: probeText, isCut: true },
  { title: "MEMBERS", of: ({ members }) => String(members.length) },
  { title: "CONNECTIONS", of: ({ connections }) => String(connections) },
  {
    title: "REFUSED",
    of: ({ refused }) => refused.join("; ") || "-",
    isCut: true,
    tone: ({ refused }) => (refused.length === 0 ? "none" : "bad"),
  },
];

function describe(service: Service): (readonly [string, string])[] {
  const { name, port, protocol, names, policy, poolKey, members, refused, kind, state, connections } = service;
  return [
    ["name", name],
    ["state", kind === "announced" ? `${state}, announced by hosts` : state],
    ["port", String(port)],
    ["protocol", protocol],
    ["names", names.join(" ") || "-"],
    ["policy", policy],
    ["probe", probeText(service)],
    ["members", `${members.length}${poolKey === null ? "" : `, from ${poolKey} in Redis`}`],
    ["connections", String(connections)],
    ...refused.map((reason) => ["refused", reason] as const),
  ];
}
