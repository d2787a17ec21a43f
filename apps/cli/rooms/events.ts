import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { operations } from "../api/api-types.ts";
import type { Client, Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { table, type Column } from "../output/table.ts";
import { plain } from "../output/words.ts";
import { usage } from "../stopped.ts";

type Event = Schemas["Event"];
type Filter = NonNullable<operations["listEvents"]["parameters"]["query"]>;

/** Events on a page of the API. */
const PAGE = 200;
const LOOK_MS = 2000;

/** `events`: what was decided and done, by whom and why. */
export function addEvents(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  program
    .command("events")
    .alias("event")
    .description("Show what was decided and done, by whom and why; the newest last.")
    .option("--host <name>", "only about this host")
    .option("--instance <id>", "only about this instance")
    .option("--kind <kind>", "only of this kind, such as drain or block")
    .option("--alarms", "only those that a person has to act on")
    .option("--limit <count>", `how many at most, ${PAGE} is the most`, count, 50)
    .option("--follow", "go on with those that come, until Ctrl-C")
    .action(async ({ host, instance, kind, alarms, limit, follow }) => {
      const api = await operator();
      const filter: Filter = {
        ...(host !== undefined && { host }),
        ...(instance !== undefined && { instance }),
        ...(kind !== undefined && { kind }),
      };
      const wanted = (events: readonly Event[]) => events.filter(({ alarm }) => alarms !== true || alarm);
      const newest = await read(api, filter);
      const shown = wanted(newest).slice(0, limit);
      if (follow !== true) {
        show.rows(shown.toReversed(), columns, "There is no event like that.");
        return;
      }
      const tell = (events: readonly Event[]) => {
        for (const event of wanted(events)) show.next(event, onALine(event, show.look));
      };
      tell(shown.toReversed());
      let last = newest[0]?.id ?? 0;
      for (;;) {
        await world.delay(LOOK_MS, world.interrupted);
        const fresh = await readAfter(api, filter, last);
        tell(fresh);
        last = fresh.at(-1)?.id ?? last;
      }
    });
}

/** A page of events, the newest first. */
async function read(api: Client, query: Filter): Promise<Event[]> {
  return answered(api.GET("/ops/api/events", { params: { query } }));
}

/** All events after one that is known, the oldest first, from as many pages as it takes. */
async function readAfter(api: Client, filter: Filter, last: number): Promise<Event[]> {
  const fresh: Event[] = [];
  for (;;) {
    const oldest = fresh.at(-1)?.id;
    const page = await read(api, {
      ...filter,
      after: String(last),
      ...(oldest !== undefined && { before: String(oldest) }),
    });
    fresh.push(...page);
    if (page.length < PAGE) return fresh.toReversed();
  }
}

function count(text: string): number {
  if (/^[1-9]\d{0,2}$/.test(text) && Number(text) <= PAGE) return Number(text);
  throw usage(`--limit must be a whole number from 1 to ${PAGE}.`);
}

const columns: readonly Column<Event>[] = [
  { title: "AT", of: ({ lastAt }) => plain(lastAt) },
  { title: "BY", of: byOf },
  { title: "KIND", of: ({ kind }) => kind, tone: ({ alarm }) => (alarm ? "bad" : "none") },
  { title: "ABOUT", of: aboutOf, isCut: true },
  { title: "REASON", of: ({ reason, times }) => `${reason}${times > 1 ? ` (${times} times)` : ""}`, isCut: true },
];

function byOf({ actor, by }: Event): string {
  return by ?? actor;
}

function aboutOf({ host, instance }: Event): string {
  return [host, instance].filter((name) => name !== null).join(" ") || "-";
}

/** An event that comes later has no table to fit in. */
function onALine(event: Event, look: Parameters<typeof table>[2]): string {
  const text = table([event], columns, { ...look, width: undefined });
  return `${text.split("\n")[1] ?? ""}\n`;
}
