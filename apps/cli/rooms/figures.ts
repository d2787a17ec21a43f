import { Option, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import type { Column } from "../output/table.ts";
import { plain } from "../output/words.ts";

const SPANS = ["hour", "day", "week"] as const;

/** One step of the figures. */
type Step = {
  readonly at: string;
  readonly started: number | null;
  readonly warm: number | null;
  readonly refused: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly instances: number | null;
  readonly slots: number | null;
  readonly hosts: number | null;
};

/** `figures`: what there was, step by step. */
export function addFigures(program: CommandUnknownOpts, { operator, show }: Context): void {
  program
    .command("figures")
    .description("Show hand-outs, how long they took, instances, slots and hosts over the last hour, day or week.")
    .addOption(new Option("--span <span>", "how far back").choices(SPANS).default("hour" as const))
    .action(async ({ span }) => {
      const api = await operator();
      const figures = await answered(api.GET("/ops/api/figures", { params: { query: { span } } }));
      const steps = stepsOf(figures).filter((step) => Object.values(step).some((value) => typeof value === "number"));
      show.rows(steps, columns, "Nothing was kept in that time.", figures);
      const { dropletHours, dollars } = figures.today;
      if (dropletHours > 0)
        show.note(
          `Droplets today, since midnight UTC: ${dropletHours.toFixed(1)} hours, ${dollars.toFixed(2)} dollars.`,
        );
    });
}

function stepsOf({ times, handouts, began, took, leases, slots, hosts }: Schemas["FleetFigures"]): Step[] {
  return times.map((time, index) => {
    const at = (values: readonly (number | null)[] | undefined) => values?.[index] ?? null;
    const { created, ...others } = handouts;
    return {
      at: new Date(time).toISOString(),
      started: at(created) ?? (hasSome(others, index) ? 0 : null),
      warm: at(began["warm"]),
      refused: sumOf(others, index),
      p50: at(took.p50),
      p99: at(took.p99),
      instances: at(leases),
      slots: at(slots),
      hosts: sumOf(hosts, index),
    };
  });
}

type Series = Schemas["FleetFigures"]["handouts"];

function hasSome(series: Series, index: number): boolean {
  return Object.values(series).some((values) => values[index] !== null);
}

function sumOf(series: Series, index: number): number | null {
  if (!hasSome(series, index)) return null;
  return Object.values(series).reduce((sum, values) => sum + (values[index] ?? 0), 0);
}

const columns: readonly Column<Step>[] = [
  { title: "FROM", of: ({ at }) => plain(at).slice(0, 16) },
  { title: "HANDED OUT", of: ({ started }) => shown(started) },
  { title: "READY BEFORE", of: ({ warm }) => shown(warm) },
  { title: "REFUSED", of: ({ refused }) => shown(refused), tone: ({ refused }) => (refused ? "watch" : "none") },
  { title: "HALF WITHIN", of: ({ p50 }) => seconds(p50) },
  { title: "99 OF 100", of: ({ p99 }) => seconds(p99) },
  { title: "INSTANCES", of: ({ instances }) => shown(instances) },
  { title: "SLOTS", of: ({ slots }) => shown(slots) },
  { title: "HOSTS", of: ({ hosts }) => shown(hosts) },
];

function shown(count: number | null): string {
  return count === null ? "-" : String(count);
}

function seconds(count: number | null): string {
  return count === null ? "-" : `${count < 1 ? Math.round(count * 1000) / 1000 : Math.round(count * 10) / 10} s`;
}
