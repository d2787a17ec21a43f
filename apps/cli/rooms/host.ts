import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answer, answered } from "../api/answers.ts";
import type { Client, Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import type { Column, Tone } from "../output/table.ts";
import { Stopped, stop } from "../stopped.ts";

type Host = Schemas["Host"];
type State = Schemas["HostChange"]["state"];

const NAME = "name of the host";

/** `host`: the machines that run instances. */
export function addHostRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const host = program
    .command("host")
    .alias("hosts")
    .description("See the machines that run instances; open, cordon, drain and destroy them.");

  host
    .command("list")
    .description("List all hosts with their slots.")
    .action(async () => {
      const hosts = await answered((await operator()).GET("/ops/api/hosts"));
      show.rows(hosts, columns, "There is no host.");
    });

  host
    .command("show")
    .description("Show a host with its last heartbeat.")
    .argument("<name>", NAME)
    .action(async (name) => {
      const found = await findHost(await operator(), name);
      show.fields(found, describe(found));
    });

  const setState = (state: State, sentence: (name: string) => string) => async (name: string) => {
    const api = await operator();
    await answered(api.PATCH("/ops/api/hosts/{name}", { params: { path: { name } }, body: { state } }));
    show.done({ name, state }, sentence(name));
  };
  host
    .command("cordon")
    .description("Have a host take no new instances for now.")
    .argument("<name>", NAME)
    .action(setState("cordoned", (name) => `${name} takes no new instances; those on it run on.`));
  host
    .command("uncordon")
    .description("Have a cordoned or draining host take instances again.")
    .argument("<name>", NAME)
    .action(setState("active", (name) => `${name} takes new instances.`));
  host
    .command("drain")
    .description("Have a host take no new instances any more; a droplet is destroyed once it is empty.")
    .argument("<name>", NAME)
    .action(
      setState("draining", (name) => `${name} takes no new instances any more; those on it run until their end.`),
    );

  host
    .command("destroy")
    .description(
      "Destroy a host's droplet. While it runs instances, this is refused, or asks in a terminal for the host's name.",
    )
    .argument("<name>", NAME)
    .option("--lose-instances", "destroy it with the instances that it runs")
    .action(async (name, { loseInstances }) => {
      const api = await operator();
      const destroy = (isSure: boolean) =>
        answer(
          api.DELETE("/ops/api/hosts/{name}", {
            params: { path: { name }, query: isSure ? { confirm: name } : {} },
          }),
        );
      await destroy(loseInstances === true).catch(async (fault: unknown) => {
        if (!isLeased(fault)) throw fault;
        if (!world.stdin.isTerminal || !world.stderr.isTerminal) throw withWayOut(fault);
        show.note(fault.problem.detail);
        const typed = await world.stdin.ask(`Type ${name} to destroy it with its instances, or nothing to leave it: `);
        if (typed.trim() !== name) throw stop("refused", "not-confirmed", "Not confirmed", `${name} is left as it is.`);
        await destroy(true);
      });
      show.done({ name, destroying: true }, `${name} is destroyed with the next step of the scaling.`);
    });
}

/** The API has a list alone. */
async function findHost(api: Client, name: string): Promise<Host> {
  const found = (await answered(api.GET("/ops/api/hosts"))).find((each) => each.name === name);
  if (found) return found;
  throw stop("notFound", "not-found", "Not found", `There is no host ${name}. getaredis host list shows all.`);
}

function isLeased(fault: unknown): fault is Stopped {
  return fault instanceof Stopped && fault.problem.type === "urn:getaredis:host-leased";
}

/** In the words of the command line, which has no field to send. */
function withWayOut({ ending, problem }: Stopped): Stopped {
  const detail = `${problem.detail.split(". ")[0] ?? ""}. Drain it, or destroy it with them by --lose-instances.`;
  return new Stopped(ending, { ...problem, detail });
}

const columns: readonly Column<Host>[] = [
  { title: "NAME", of: ({ name }) => name },
  { title: "STATE", of: ({ state }) => state, tone: ({ state }) => stateTones[state] ?? "none" },
  {
    title: "STANDING",
    of: ({ standing }) => standing,
    tone: ({ standing }) => (standing === "open" ? "good" : "watch"),
  },
  { title: "IN USE", of: ({ inUse, capacity }) => `${inUse}/${capacity}` },
  { title: "READY", of: ({ warm }) => String(warm) },
  { title: "HEARTBEAT", of: heartbeatOf, isCut: true, tone: (host) => (host.heartbeat === null ? "bad" : "none") },
];

const stateTones: Readonly<Record<string, Tone>> = { active: "good", cordoned: "watch", draining: "watch" };

function heartbeatOf({ heartbeat, heartbeatRefused }: Host): string {
  if (heartbeatRefused !== null) return `refused: ${heartbeatRefused}`;
  return heartbeat === null ? "none" : "there";
}

function describe(host: Host): (readonly [string, string])[] {
  const beat = typeof host.heartbeat === "object" && host.heartbeat !== null ? Object.entries(host.heartbeat) : [];
  return [
    ["name", host.name],
    ["state", host.state],
    ["standing", host.standing],
    ["in use", `${host.inUse} of ${host.capacity} slots, ${host.occupied - host.inUse} more occupied`],
    ["ready", `${host.warm} instances wait for hand-outs`],
    ["heartbeat", heartbeatOf(host)],
    ...beat
      .filter(([name]) => name !== "name")
      .map(([name, value]) => [`  ${name}`, typeof value === "string" ? value : JSON.stringify(value)] as const),
  ];
}
