import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { reserveSecretFile } from "../credentials/secret-file.ts";
import type { Column } from "../output/table.ts";
import { fromNow } from "../output/words.ts";

const NAME = "name of the host";

/** `announcer`: hosts that may announce applications. */
export function addAnnouncerRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const room = program
    .command("announcer")
    .alias("announcers")
    .description("See, create and remove announcers: hosts that may announce applications to gateways.");

  room
    .command("list")
    .description("List the hosts that may announce applications.")
    .action(async () => {
      const announcers = await answered((await operator()).GET("/ops/api/announcers"));
      show.rows(announcers, columns(world.clock()), "No host may announce applications.");
    });

  room
    .command("create")
    .description("Let a host announce applications. Its password is shown once, or written to a file and not shown.")
    .argument("<name>", NAME)
    .option("--app <application...>", "names of the applications that it may announce (default: any)")
    .option("--save <file>", "write the password to this new file, which only you can read, and do not show it")
    .action(async (name, { app: applications, save }) => {
      const api = await operator();
      const file = save === undefined ? undefined : await reserveSecretFile(world.files, save);
      const { password, ...made } = await answered(
        api.POST("/ops/api/announcers", { body: { name, ...(applications !== undefined && { applications }) } }),
      ).catch(async (fault: unknown) => {
        await file?.discard();
        throw fault;
      });
      await file?.fill(password);
      show.fields(save === undefined ? { ...made, password } : made, [
        ["name", made.name],
        ["user", made.user],
        ["key", made.key],
        save === undefined ? ["password", password] : ["password in", save],
      ]);
      if (save === undefined) show.note("The password is not shown again.");
    });

  room
    .command("remove")
    .description("Let a host announce nothing more; what it has announced is gone at once.")
    .argument("<name>", NAME)
    .action(async (name) => {
      const api = await operator();
      await answered(api.DELETE("/ops/api/announcers/{name}", { params: { path: { name } } }));
      show.done({ name, removed: true }, `${name} announces nothing more.`);
    });
}

function columns(now: Date): readonly Column<Schemas["Announcer"]>[] {
  return [
    { title: "NAME", of: ({ name }) => name },
    { title: "APPLICATIONS", of: ({ applications }) => applications?.join(" ") ?? "any", isCut: true },
    { title: "CREATED", of: ({ createdAt }) => fromNow(createdAt, now) },
    { title: "BY", of: ({ createdBy }) => createdBy },
  ];
}
