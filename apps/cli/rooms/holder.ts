import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answer, answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import { findProof } from "../api/proof-of-work.ts";
import type { Context } from "../context.ts";
import { holdingOf, INSTANCE_FORM, TOKEN, type Holding } from "../credentials/holder.ts";
import type { KeptInstance } from "../credentials/kept-instances.ts";
import { DURATION_FORM, readSeconds } from "../input/durations.ts";
import type { Column } from "../output/table.ts";
import { bytes, fromNow, moment } from "../output/words.ts";
import { Stopped, usage } from "../stopped.ts";

type Handout = Schemas["Handout"];
type Instance = Schemas["Instance"];

/** `create`, `show`, `extend` and `end`: what the holder of an instance does. */
export function addHolderCommands(program: CommandUnknownOpts, context: Context): void {
  addCreate(program, context);

  program
    .command("show")
    .description("Show an instance, or all that were created here and still run.")
    .argument("[instance]", INSTANCE_FORM)
    .option("--token-file <file>", TOKEN_FILE)
    .action(async (name, { tokenFile }) => {
      if (name === undefined) await showKept(context);
      else await showHeld(context, await holdingOf(context, name, tokenFile));
    });

  program
    .command("extend")
    .description("Have an instance end a time from now; the service bounds how late that can be.")
    .argument("<instance>", INSTANCE_FORM)
    .argument("<time>", DURATION_FORM)
    .option("--token-file <file>", TOKEN_FILE)
    .action(async (name, time, { tokenFile }) => {
      const ttlSeconds = readSeconds(time);
      await extendHeld(context, await holdingOf(context, name, tokenFile), ttlSeconds);
    });

  program
    .command("end")
    .description("End an instance now, with all its data.")
    .argument("<instance>", INSTANCE_FORM)
    .option("--token-file <file>", TOKEN_FILE)
    .action(async (name, { tokenFile }) => endHeld(context, await holdingOf(context, name, tokenFile)));
}

export const TOKEN_FILE = `file with its token or password, - for standard input [${TOKEN}]`;

/** `create`, for everybody. */
export function addCreate(program: CommandUnknownOpts, context: Context): void {
  program
    .command("create")
    .description("Get a Redis of your own, once it has answered.")
    .option("--ttl <time>", `how long it lives: ${DURATION_FORM}`, readSeconds)
    .option("--url", "print its URL alone, as redis-cli -u takes it")
    .option("--env", "print a line REDIS_URL=… for a file of settings")
    .option("--no-keep", "keep nothing of it here: its URL is then the only way to extend or end it")
    .action(async ({ ttl, url, env, keep }) => {
      const { show, world, service } = context;
      if ([url, env, show.isJson()].filter((each) => each === true).length > 1)
        throw usage("Choose one of --url, --env and --json.");
      const { address } = service();
      const handout = await create(context, address, ttl);
      if (keep) await keepHandout(context, { ...handout, service: address });
      if (url === true) show.text(`${handout.url}\n`);
      else if (env === true) show.text(envLines(handout));
      else show.fields(handout, handoutFields(handout, world.clock()));
    });
}

/** One key for all tries: whatever is lost on the way, they get one instance. */
async function create({ world, client }: Context, address: string, ttl: number | undefined): Promise<Handout> {
  const api = client(address);
  const key = world.newKey();
  const ask = (proof?: string) =>
    answered(
      api.POST("/instances", {
        params: { header: { "idempotency-key": key, ...(proof !== undefined && { "proof-of-work": proof }) } },
        body: ttl === undefined ? {} : { ttlSeconds: ttl },
      }),
    );
  return ask().catch(async (fault: unknown) => {
    const proof = fault instanceof Stopped ? await findProof(fault.problem, world.interrupted) : undefined;
    if (proof === undefined) throw fault;
    return ask(proof);
  });
}

/** The instance is there, whether or not it can be kept: that is told, and fails nothing. */
async function keepHandout({ kept, show }: Context, handout: KeptInstance): Promise<void> {
  try {
    await kept.keep(handout);
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    show.note(`Its token cannot be kept in ${kept.folder}: ${why}. Its URL extends and ends it, too.`);
  }
}

function handoutFields({ id, url, engine, version, expiresAt }: Handout, now: Date) {
  return [
    ["url", url],
    ["id", id],
    ["server", `${engine} ${version}`],
    ["expires", moment(expiresAt, now)],
  ] as const;
}

function envLines({ id, url, expiresAt }: Handout): string {
  return `REDIS_URL=${url}\n# expires ${expiresAt}\n# to end it: getaredis end ${id}\n`;
}

/** Shows an instance to its holder. */
export async function showHeld({ show, world }: Context, { id, client }: Holding): Promise<void> {
  const instance = await answered(client.GET("/instances/{id}", { params: { path: { id } } }));
  show.fields(instance, instanceFields(instance, world.clock()));
}

/** Gives an instance a new end for its holder. */
export async function extendHeld({ show, world }: Context, { id, client }: Holding, ttlSeconds: number): Promise<void> {
  const instance = await answered(client.PATCH("/instances/{id}", { params: { path: { id } }, body: { ttlSeconds } }));
  show.done(instance, `${instance.id} expires ${moment(instance.expiresAt, world.clock())}.`);
}

/** Ends an instance for its holder. */
export async function endHeld({ show, kept }: Context, { id, client }: Holding): Promise<void> {
  const { isLater } = await answer(client.DELETE("/instances/{id}", { params: { path: { id } } }));
  await kept.forget(id).catch(() => undefined);
  show.done({ id, ended: true, later: isLater }, endSentence(id, isLater));
}

/** How an end is told. */
export function endSentence(id: string, isLater: boolean): string {
  return isLater
    ? `${id} has ended. Its host does not answer; the container is removed once it does.`
    : `${id} has ended.`;
}

/** What an instance is, for its holder. */
export function instanceFields(instance: Instance, now: Date): (readonly [string, string])[] {
  const { transfer, endedAt, endCause, engine, version, lastRestart, contact } = instance;
  return [
    ["id", instance.id],
    ["state", instance.state],
    ["address", `${instance.host}:${instance.port}`],
    ["server", engine === null ? "-" : `${engine} ${version ?? ""}`],
    ["created", moment(instance.createdAt, now)],
    endedAt === null
      ? ["expires", moment(instance.expiresAt, now)]
      : ["ended", `${moment(endedAt, now)}: ${endCause ?? "no cause known"}`],
    ["sent", sent(transfer)],
    ...(lastRestart === null ? [] : [["restarted", `${moment(lastRestart.at, now)}: ${lastRestart.cause}`] as const]),
    ...(contact === undefined ? [] : [["contact", contact] as const]),
  ];
}

function sent({ sentBytes, limitBytes, throttled }: Instance["transfer"]): string {
  const limit = limitBytes === null ? "" : ` of ${bytes(limitBytes)}`;
  return `${bytes(sentBytes)}${limit}${throttled ? ", slowed down" : ""}`;
}

/** What a state looks like. */
export function toneOf(state: Instance["state"]) {
  return ({ starting: "watch", running: "good", ending: "watch", ended: "faint" } as const)[state];
}

/** An instance that was created here, as its service describes it. */
type KeptRow = Instance & Pick<KeptInstance, "service">;

/**
 * All that were created here and still run; those that are gone are forgotten.
 * @throws Stopped after the others have been shown, when a service does not tell
 */
async function showKept(context: Context): Promise<void> {
  const { kept, service, show, world } = context;
  const { address, isNamed } = service();
  const here = (await kept.list()).filter((each) => !isNamed || each.service === address);
  const rows: KeptRow[] = [];
  const faults: Stopped[] = [];
  await Promise.all(
    here.map(async (each) => {
      const row = await lookAt(context, each);
      if (row === "gone") await kept.forget(each.id);
      else if (row instanceof Stopped) faults.push(row);
      else rows.push({ ...row, service: each.service });
    }),
  );
  rows.sort((one, other) => (one.expiresAt < other.expiresAt ? -1 : 1));
  show.rows(
    rows,
    keptColumns(world.clock()),
    faults.length > 0
      ? "No instance that was created here could be shown."
      : "No instance that was created here still runs. getaredis create gets one.",
  );
  if (faults[0]) throw faults[0];
}

/** An instance that was created here, that it is gone, or why its service does not tell. */
async function lookAt({ client }: Context, { id, service, token }: KeptInstance): Promise<Instance | "gone" | Stopped> {
  try {
    const instance = await answered(client(service, token).GET("/instances/{id}", { params: { path: { id } } }));
    return instance.state === "ended" ? "gone" : instance;
  } catch (fault) {
    if (!(fault instanceof Stopped)) throw fault;
    return fault.ending === "notFound" ? "gone" : fault;
  }
}

function keptColumns(now: Date): readonly Column<KeptRow>[] {
  return [
    { title: "ID", of: ({ id }) => id },
    { title: "STATE", of: ({ state }) => state, tone: ({ state }) => toneOf(state) },
    { title: "ADDRESS", of: ({ host, port }) => `${host}:${port}` },
    { title: "EXPIRES", of: ({ expiresAt }) => fromNow(expiresAt, now) },
    { title: "SERVICE", of: ({ service }) => service, isCut: true },
  ];
}
