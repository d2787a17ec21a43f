import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answer, answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { MOMENT_FORM, readMoment } from "../input/durations.ts";
import type { Column } from "../output/table.ts";
import { fromNow } from "../output/words.ts";

const NETWORK = "an address, or a network such as 192.0.2.0/24";

/** `block`: networks that get no instances. */
export function addBlockRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const block = program
    .command("block")
    .alias("blocks")
    .description("See, add and remove blocks: networks that get no instances.");

  block
    .command("list")
    .description("List the networks that operators have blocked, the newest first.")
    .action(async () => {
      const { value, total = value.length } = await answer((await operator()).GET("/ops/api/blocks"));
      show.rows(value, columns(world.clock()), "No operator has blocked a network.");
      if (total > value.length) show.note(`BLOCK_LIST_FILE blocks ${total - value.length} more.`);
    });

  block
    .command("show")
    .description("Show what the addresses of a network hold, and what blocks them already.")
    .argument("<network>", NETWORK)
    .action(async (address) => {
      const api = await operator();
      const held = await answered(api.GET("/ops/api/blocks/preview", { params: { query: { address } } }));
      show.fields(held, [
        ["network", held.address],
        ["instances", String(held.instances)],
        ["holders", String(held.holders)],
        ["blocked by", [...held.blocks.map((each) => each.address), ...held.listed].join(", ") || "nothing"],
      ]);
    });

  block
    .command("add")
    .description("Block a network: its addresses get no more instances, and what they hold runs on.")
    .argument("<network>", NETWORK)
    .option("--reason <text>", "why, in your words")
    .option("--until <moment>", `when the block ends by itself: ${MOMENT_FORM} (default: never)`)
    .option("--end-instances", "also end what its addresses hold")
    .action(async (address, { reason, until, endInstances }) => {
      const api = await operator();
      const made = await answered(
        api.POST("/ops/api/blocks", {
          body: {
            address,
            ...(reason !== undefined && { reason }),
            ...(until !== undefined && { until: readMoment(until, world.clock()) }),
            ...(endInstances === true && { endInstances }),
          },
        }),
      );
      const ended = endInstances === true ? ` ${made.ended} instances have ended.` : "";
      show.done(made, `${made.address} is blocked.${ended}`);
    });

  block
    .command("remove")
    .description("Remove a block.")
    .argument("<network>", NETWORK)
    .action(async (address) => {
      const api = await operator();
      await answered(api.DELETE("/ops/api/blocks", { params: { query: { address } } }));
      show.done({ address, blocked: false }, `${address} is not blocked any more.`);
    });
}

function columns(now: Date): readonly Column<Schemas["Block"]>[] {
  return [
    { title: "NETWORK", of: ({ address }) => address },
    { title: "SINCE", of: ({ blockedAt }) => fromNow(blockedAt, now) },
    { title: "ENDS", of: ({ until }) => (until === null ? "never" : fromNow(until, now)) },
    { title: "FROM", of: ({ by }) => by ?? "-" },
    { title: "REASON", of: ({ reason }) => reason || "-", isCut: true },
  ];
}
