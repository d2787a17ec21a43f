import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import type { Column } from "../output/table.ts";
import { fromNow } from "../output/words.ts";

/** `droplet`: the machines at DigitalOcean that a fleet has ordered. */
export function addDropletRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const droplet = program
    .command("droplet")
    .alias("droplets")
    .description("See the machines that a fleet on DigitalOcean has ordered.");

  droplet
    .command("list")
    .description("List the droplets that are ordered or there, the oldest order first.")
    .action(async () => {
      const droplets = await answered((await operator()).GET("/ops/api/droplets"));
      show.rows(droplets, columns(world.clock()), "There is no droplet.");
    });
}

function columns(now: Date): readonly Column<Schemas["Droplet"]>[] {
  return [
    { title: "NAME", of: ({ name }) => name },
    { title: "STATE", of: ({ state }) => state, tone: ({ state }) => (state === "joined" ? "good" : "watch") },
    { title: "ID", of: ({ dropletId }) => (dropletId === null ? "-" : String(dropletId)) },
    { title: "ORDERED", of: ({ orderedAt }) => fromNow(orderedAt, now) },
    { title: "JOINED", of: ({ joinedAt }) => fromNow(joinedAt, now) },
    { title: "IDLE SINCE", of: ({ idleSince }) => fromNow(idleSince, now) },
    {
      title: "SILENT SINCE",
      of: ({ unhealthySince }) => fromNow(unhealthySince, now),
      tone: ({ unhealthySince }) => (unhealthySince === null ? "none" : "bad"),
    },
  ];
}
