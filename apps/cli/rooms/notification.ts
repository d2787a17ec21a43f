import { Argument, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import type { Column } from "../output/table.ts";
import { stop } from "../stopped.ts";

type Channel = Schemas["Notifications"]["channels"][number];
const CHANNELS = ["webhook", "mail"] as const satisfies Channel["channel"][];

/** `notification`: how operators are told of alarms. */
export function addNotificationRoom(program: CommandUnknownOpts, { operator, show }: Context): void {
  const notification = program
    .command("notification")
    .alias("notifications")
    .description("See by which ways operators are told of alarms, and try one.");

  notification
    .command("list")
    .description("List the ways that are set up, and how many messages wait for each.")
    .action(async () => {
      const { channels } = await answered((await operator()).GET("/ops/api/notifications"));
      show.rows(channels, columns, "No way is set up: WEBHOOK_URL and SMTP_URL are settings of the service.");
    });

  notification
    .command("test")
    .description("Send a test message, and tell how it went.")
    .addArgument(new Argument("<way>", "by which way").choices(CHANNELS))
    .action(async (channel) => {
      const api = await operator();
      const { delivered, result } = await answered(api.POST("/ops/api/notifications/test", { body: { channel } }));
      if (!delivered) throw stop("refused", "not-delivered", "The test message could not be delivered", result);
      show.done({ channel, delivered, result }, `The test message has been delivered by ${channel}: ${result}`);
    });
}

const columns: readonly Column<Channel>[] = [
  { title: "WAY", of: ({ channel }) => channel },
  { title: "TO", of: ({ target }) => target, isCut: true },
  { title: "WAITING", of: ({ waiting }) => String(waiting) },
  {
    title: "GIVEN UP",
    of: ({ givenUp }) => String(givenUp),
    tone: ({ givenUp }) => (givenUp === 0 ? "none" : "bad"),
  },
];
