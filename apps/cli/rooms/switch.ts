import { Argument, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { operations } from "../api/api-types.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import type { Column } from "../output/table.ts";
import { fromNow } from "../output/words.ts";

type Name = operations["setSwitch"]["parameters"]["path"]["name"];
const NAMES = ["handouts", "scaling"] as const satisfies Name[];

/** `switch`: what operators can pause. */
export function addSwitchRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const room = program
    .command("switch")
    .alias("switches")
    .description("See what is paused; pause hand-outs or scaling, and resume them.");

  room
    .command("list")
    .description("List what can be paused, and whether it is.")
    .action(async () => {
      const switches = await answered((await operator()).GET("/ops/api/switches"));
      show.rows(switches, columns(world.clock()), "Nothing can be paused.");
    });

  const set = (paused: boolean) => async (name: Name) => {
    const api = await operator();
    await answered(api.PATCH("/ops/api/switches/{name}", { params: { path: { name } }, body: { paused } }));
    show.done({ name, paused }, `${name} ${name === "handouts" ? "are" : "is"} ${paused ? "paused" : "resumed"}.`);
  };
  room
    .command("pause")
    .description("Pause hand-outs (nobody gets a new instance) or scaling (no droplet is ordered or destroyed).")
    .addArgument(new Argument("<name>", "what to pause").choices(NAMES))
    .action(set(true));
  room
    .command("resume")
    .description("Resume what is paused.")
    .addArgument(new Argument("<name>", "what to resume").choices(NAMES))
    .action(set(false));
}

function columns(now: Date): readonly Column<Schemas["Switch"]>[] {
  return [
    { title: "NAME", of: ({ name }) => name },
    {
      title: "STATE",
      of: ({ paused }) => (paused ? "paused" : "on"),
      tone: ({ paused }) => (paused ? "watch" : "good"),
    },
    { title: "CHANGED", of: ({ changedAt }) => (changedAt === null ? "never" : fromNow(changedAt, now)) },
  ];
}
