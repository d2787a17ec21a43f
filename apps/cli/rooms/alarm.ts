import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import type { Column } from "../output/table.ts";
import { fromNow } from "../output/words.ts";

type Alarm = Schemas["Notifications"]["alarms"][number];

/** `alarm`: what a person has to act on. */
export function addAlarmRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const alarm = program.command("alarm").alias("alarms").description("See what a person has to act on.");

  alarm
    .command("list")
    .description("List the alarms that go on.")
    .action(async () => {
      const { alarms } = await answered((await operator()).GET("/ops/api/notifications"));
      show.rows(alarms, columns(world.clock()), "No alarm goes on.");
    });
}

function columns(now: Date): readonly Column<Alarm>[] {
  return [
    { title: "SINCE", of: ({ since }) => fromNow(since, now) },
    { title: "KIND", of: ({ kind }) => kind, tone: () => "bad" },
    { title: "ABOUT", of: ({ host, instance, topic }) => host ?? instance ?? topic, isCut: true },
    { title: "TOLD", of: ({ toldAt }) => (toldAt === null ? "not yet" : fromNow(toldAt, now)) },
    { title: "REASON", of: ({ reason }) => reason, isCut: true },
  ];
}
