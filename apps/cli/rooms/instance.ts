import { Option, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { answer, answered } from "../api/answers.ts";
import type { Client, Schemas } from "../api/client.ts";
import type { operations } from "../api/api-types.ts";
import type { Context } from "../context.ts";
import { holdingOf, INSTANCE_FORM } from "../credentials/holder.ts";
import { DURATION_FORM, readMoment, readSeconds } from "../input/durations.ts";
import type { Column } from "../output/table.ts";
import { fromNow, moment } from "../output/words.ts";
import { usage } from "../stopped.ts";
import { addCreate, endHeld, endSentence, extendHeld, instanceFields, showHeld, TOKEN_FILE, toneOf } from "./holder.ts";

type OperatorInstance = Schemas["OperatorInstance"];
type Search = NonNullable<operations["listInstances"]["parameters"]["query"]>;

const STATES = ["open", "all", "starting", "running", "ending", "ended"] as const satisfies Search["state"][];
const ORDERS = ["created", "expires", "address", "host"] as const satisfies Search["order"][];
const PAGE = 1000;

/**
 * `instance`: everybody's instances with an operator's token; without one, what a holder does. A token or password of
 * the instance that is named by `--token-file` always acts as its holder.
 */
export function addInstanceRoom(program: CommandUnknownOpts, context: Context): void {
  const { operator, show, world } = context;
  const instance = program
    .command("instance")
    .alias("instances")
    .description("See, extend and end everybody's instances; without an operator's token, your own.");

  instance
    .command("list")
    .description("List everybody's instances, the newest first.")
    .option("--text <text>", "beginning of an id or a holder's address, part of a host's name, host:port or :port")
    .addOption(new Option("--state <state>", "only those in this state (default: open)").choices(STATES))
    .option("--host <name>", "only those on this host")
    .option("--at <moment>", "only those that had their address and port then, such as 2026-01-31T12:00:00Z")
    .addOption(new Option("--order <by>", "what to sort by (default: created)").choices(ORDERS))
    .option("--ascending", "the first of that order first")
    .option("--limit <count>", "how many at most", count, 100)
    .action(async ({ text, state, host, at, order, ascending, limit }) => {
      const search = {
        ...(text !== undefined && { text }),
        ...(state !== undefined && { state }),
        ...(host !== undefined && { host }),
        ...(at !== undefined && { at: readMoment(at, world.clock()) }),
        ...(order !== undefined && { order }),
        ...(ascending === true && { direction: "ascending" as const }),
      };
      const { found, total } = await list(await operator(), search, limit);
      show.rows(found, columns(world.clock()), "No instance is like that.");
      if (total > found.length) show.note(`${found.length} of ${total}. --limit shows more.`);
    });

  addCreate(instance, context);

  instance
    .command("show")
    .description("Show an instance.")
    .argument("<instance>", INSTANCE_FORM)
    .option("--token-file <file>", TOKEN_FILE)
    .action(async (name, { tokenFile }) => {
      const api = await operatorFor(context, name, tokenFile);
      if (!api) {
        await showHeld(context, await holdingOf(context, name, tokenFile));
        return;
      }
      const found = await answered(api.GET("/ops/api/instances/{id}", { params: { path: { id: name } } }));
      show.fields(found, describe(found, world.clock()));
    });

  instance
    .command("extend")
    .description("Have an instance end a time from now; the service bounds how late that can be.")
    .argument("<instance>", INSTANCE_FORM)
    .argument("<time>", DURATION_FORM)
    .option("--token-file <file>", TOKEN_FILE)
    .action(async (name, time, { tokenFile }) => {
      const ttlSeconds = readSeconds(time);
      const api = await operatorFor(context, name, tokenFile);
      if (!api) {
        await extendHeld(context, await holdingOf(context, name, tokenFile), ttlSeconds);
        return;
      }
      const changed = await answered(
        api.PATCH("/ops/api/instances/{id}", { params: { path: { id: name } }, body: { ttlSeconds } }),
      );
      show.done(changed, `${changed.id} expires ${moment(changed.expiresAt, world.clock())}.`);
    });

  instance
    .command("end")
    .description("End an instance now, with all its data.")
    .argument("<instance>", INSTANCE_FORM)
    .option("--token-file <file>", TOKEN_FILE)
    .action(async (name, { tokenFile }) => {
      const api = await operatorFor(context, name, tokenFile);
      if (!api) {
        await endHeld(context, await holdingOf(context, name, tokenFile));
        return;
      }
      const { isLater } = await answer(api.DELETE("/ops/api/instances/{id}", { params: { path: { id: name } } }));
      show.done({ id: name, ended: true, later: isLater }, endSentence(name, isLater));
    });
}

/** The operator's calls, where there is an operator's token and nothing that proves a holder is named. */
async function operatorFor({ operatorIfAny }: Context, name: string, tokenFile: string | undefined) {
  return name === "-" || tokenFile !== undefined ? undefined : operatorIfAny();
}

/** Instances from as many pages as it takes. */
async function list(api: Client, search: Search, limit: number) {
  const found: OperatorInstance[] = [];
  let total = 0;
  for (let most = Math.min(limit, PAGE); most > 0; most = Math.min(limit - found.length, PAGE)) {
    const after = found.at(-1)?.id;
    const query = { ...search, most: String(most), ...(after !== undefined && { after }) };
    const page = await answer(api.GET("/ops/api/instances", { params: { query } }));
    found.push(...page.value);
    total = page.total ?? found.length;
    if (page.value.length < most) break;
  }
  return { found, total };
}

function count(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw usage("--limit must be a whole number from 1.");
}

function columns(now: Date): readonly Column<OperatorInstance>[] {
  return [
    { title: "ID", of: ({ id }) => id },
    { title: "STATE", of: ({ state }) => state, tone: ({ state }) => toneOf(state) },
    { title: "ADDRESS", of: ({ host, port }) => `${host}:${port}`, isCut: true },
    { title: "HOST", of: ({ hostName }) => hostName, isCut: true },
    { title: "HOLDER", of: ({ address }) => (address === "" ? "-" : address) },
    { title: "CREATED", of: ({ createdAt }) => fromNow(createdAt, now) },
    {
      title: "ENDS",
      of: ({ endedAt, endCause, expiresAt }) =>
        endedAt === null ? fromNow(expiresAt, now) : `${fromNow(endedAt, now)}: ${endCause ?? "no cause known"}`,
    },
  ];
}

function describe(instance: OperatorInstance, now: Date): (readonly [string, string])[] {
  const { hostName, address, handedOutAt, warmSince, latestEnd } = instance;
  return [
    ...instanceFields(instance, now),
    ["host", hostName],
    ["holder", address === "" ? "-" : address],
    ["handed out", moment(handedOutAt, now)],
    ...(warmSince === null ? [] : [["ready since", moment(warmSince, now)] as const]),
    ["latest end", moment(latestEnd, now)],
  ];
}
