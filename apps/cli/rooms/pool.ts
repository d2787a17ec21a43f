import { Argument, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Client, Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { readWhole } from "../input/numbers.ts";
import type { Column, Tone } from "../output/table.ts";
import { stop } from "../stopped.ts";
import { findService, POLICIES } from "./service.ts";

type Member = Schemas["Member"];

const SERVICE = "name of the service";
const ADDRESS = "where the member is: ip:port";
const MOST_WEIGHT = 256;

/** `pool`: the members of a service. */
export function addPoolRoom(program: CommandUnknownOpts, { operator, show }: Context): void {
  const room = program
    .command("pool")
    .alias("pools")
    .description("See, add, drain and remove the members of a service.");

  room
    .command("list")
    .description("List the members of a service.")
    .argument("<service>", SERVICE)
    .action(async (name) => {
      const { members, refused } = await findService(await operator(), name);
      show.rows(members, columns, `${name} has no member.`);
      for (const reason of refused) show.note(`Left out: ${reason}.`);
    });

  room
    .command("add")
    .description("Add a member to a service, or change its weight and zone.")
    .argument("<service>", SERVICE)
    .argument("<address>", ADDRESS)
    .option("--weight <weight>", "its share beside the others (default: 1)", (text) =>
      readWhole(text, "--weight", 1, MOST_WEIGHT),
    )
    .option("--zone <zone>", "zone that it is in, for the policy location")
    .action(async (name, address, { weight, zone }) => {
      const more = { ...(weight !== undefined && { weight }), ...(zone !== undefined && { zone }) };
      const service = await put(await operator(), name, address, more);
      show.done(service, `${address} is a member of ${name}.`);
    });

  const drain = (draining: boolean) => async (name: string, address: string) => {
    const api = await operator();
    const { weight, zone } = findMember(await findService(api, name), address);
    const service = await put(api, name, address, { weight, zone, draining });
    show.done(
      service,
      draining
        ? `${address} gets no new connections of ${name}; open ones go on.`
        : `${address} gets connections of ${name}.`,
    );
  };
  room
    .command("drain")
    .description("Have a member get no new connections, while open ones go on.")
    .argument("<service>", SERVICE)
    .argument("<address>", ADDRESS)
    .action(drain(true));
  room
    .command("undrain")
    .description("Have a draining member get connections again.")
    .argument("<service>", SERVICE)
    .argument("<address>", ADDRESS)
    .action(drain(false));

  room
    .command("remove")
    .description("Remove a member from a service; open connections get some time to end.")
    .argument("<service>", SERVICE)
    .argument("<address>", ADDRESS)
    .action(async (name, address) => {
      const api = await operator();
      await answered(api.DELETE("/ops/api/services/{name}/members/{address}", { params: { path: { name, address } } }));
      show.done({ service: name, address, removed: true }, `${address} is no member of ${name} any more.`);
    });

  room
    .command("policy")
    .description("Change how a member is chosen for a connection.")
    .argument("<service>", SERVICE)
    .addArgument(new Argument("<policy>", "how").choices(POLICIES))
    .action(async (name, policy) => {
      const api = await operator();
      const changed = await answered(
        api.PATCH("/ops/api/services/{name}", { params: { path: { name } }, body: { policy } }),
      );
      show.done(changed, `${name} chooses by ${policy}.`);
    });
}

async function put(api: Client, name: string, address: string, body: Schemas["NewMember"]) {
  const path = { name, address };
  return answered(api.PUT("/ops/api/services/{name}/members/{address}", { params: { path }, body }));
}

function findMember({ name, members }: Schemas["Service"], address: string): Member {
  const found = members.find((each) => each.address === address);
  if (found) return found;
  throw stop(
    "notFound",
    "not-found",
    "Not found",
    `${name} has no member ${address}. getaredis pool list ${name} shows all.`,
  );
}

const columns: readonly Column<Member>[] = [
  { title: "ADDRESS", of: ({ address }) => address },
  { title: "WEIGHT", of: ({ weight }) => String(weight) },
  { title: "ZONE", of: ({ zone }) => zone ?? "-" },
  { title: "STATE", of: stateOf, tone: toneOf },
  { title: "CONNECTIONS", of: ({ gateways }) => String(gateways.reduce((sum, { sessions }) => sum + sessions, 0)) },
  { title: "WHY", of: ({ gateways }) => gateways.find(({ fault }) => fault !== null)?.fault ?? "-", isCut: true },
];

/** As gateways see it, where they tell; of several that differ, each. */
function stateOf({ draining, gateways }: Member): string {
  const told = gateways.filter(({ state }) => state !== "unknown");
  const states = [...new Set(told.map(({ state }) => state))];
  const [state] = states;
  if (state === undefined) return draining ? "draining" : "in use";
  return states.length === 1 ? state : told.map((each) => `${each.state} on ${each.gateway}`).join(", ");
}

function toneOf({ draining, gateways }: Member): Tone {
  if (gateways.some(({ state }) => state === "retired")) return "bad";
  return draining ? "watch" : "good";
}
