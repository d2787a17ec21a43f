import { Option, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { reserveSecretFile } from "../credentials/secret-file.ts";
import { MOMENT_FORM, readMoment } from "../input/durations.ts";
import type { Column } from "../output/table.ts";
import { fromNow, moment } from "../output/words.ts";
import { usage } from "../stopped.ts";

type Operator = Schemas["Operator"];

const ROLES = ["viewer", "operator", "admin"] as const satisfies Operator["role"][];
const ROLE = "viewer looks, operator acts on hosts, instances and blocks, admin manages operators too";
const NAME = "name of the operator";

/** `operator`: who may operate the service. */
export function addOperatorRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const room = program
    .command("operator")
    .alias("operators")
    .description("See, create, change and revoke operators; an admin's token is needed.");

  room
    .command("list")
    .description("List all operators with their roles.")
    .action(async () => {
      const operators = await answered((await operator()).GET("/ops/api/operators"));
      show.rows(operators, columns(world.clock()), "There is no operator.");
    });

  room
    .command("create")
    .description("Create an operator. The token is shown once, or written to a file and not shown.")
    .argument("<name>", NAME)
    .addOption(new Option("--role <role>", ROLE).choices(ROLES).makeOptionMandatory())
    .option("--expires <moment>", `when the token expires: ${MOMENT_FORM} (default: never)`)
    .option("--save <file>", "write the token to this new file, which only you can read, and do not show it")
    .action(async (name, { role, expires, save }) => {
      const api = await operator();
      const file = save === undefined ? undefined : await reserveSecretFile(world.files, save);
      const { token, ...created } = await answered(
        api.POST("/ops/api/operators", { body: { name, role, ...expiry(expires) } }),
      ).catch(async (fault: unknown) => {
        await file?.discard();
        throw fault;
      });
      await file?.fill(token);
      const told = save === undefined ? { ...created, token } : created;
      show.fields(told, [
        ["name", created.name],
        ["role", created.role],
        ["expires", created.expiresAt === null ? "never" : moment(created.expiresAt, world.clock())],
        save === undefined ? ["token", token] : ["token in", save],
      ]);
      if (save === undefined) show.note("The token is not shown again.");
    });

  room
    .command("change")
    .description("Change the role or the expiry of an operator.")
    .argument("<name>", NAME)
    .addOption(new Option("--role <role>", ROLE).choices(ROLES))
    .option("--expires <moment>", `when the token expires: ${MOMENT_FORM}, or never`)
    .action(async (name, { role, expires }) => {
      if (role === undefined && expires === undefined) throw usage("Name what to change: --role, --expires or both.");
      const api = await operator();
      const body = { ...(role !== undefined && { role }), ...expiry(expires) };
      const changed = await answered(api.PATCH("/ops/api/operators/{name}", { params: { path: { name } }, body }));
      const until =
        changed.expiresAt === null ? "never expires" : `expires ${moment(changed.expiresAt, world.clock())}`;
      show.done(changed, `${name} is ${changed.role}; the token ${until}.`);
    });

  room
    .command("revoke")
    .description("Revoke an operator: the token works no longer.")
    .argument("<name>", NAME)
    .action(async (name) => {
      const api = await operator();
      await answered(api.DELETE("/ops/api/operators/{name}", { params: { path: { name } } }));
      show.done({ name, revoked: true }, `${name} is no operator any more.`);
    });

  const expiry = (text: string | undefined) =>
    text === undefined ? {} : { expiresAt: text === "never" ? null : readMoment(text, world.clock()) };
}

function columns(now: Date): readonly Column<Operator>[] {
  return [
    { title: "NAME", of: ({ name }) => name },
    { title: "ROLE", of: ({ role }) => role },
    { title: "CREATED", of: ({ createdAt, isOpsToken }) => (isOpsToken ? "by OPS_TOKEN" : fromNow(createdAt, now)) },
    { title: "BY", of: ({ createdBy }) => createdBy ?? "-" },
    { title: "EXPIRES", of: ({ expiresAt }) => (expiresAt === null ? "never" : fromNow(expiresAt, now)) },
    { title: "LAST USED", of: ({ lastUsedAt }) => fromNow(lastUsedAt, now) },
  ];
}
