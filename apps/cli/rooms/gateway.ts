import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import { buildTable, isTableSize, MAX_TABLE_SIZE, MIN_TABLE_SIZE, peerName } from "../../core/balance/maglev.ts";
import type { Context } from "../context.ts";
import { readWhole } from "../input/numbers.ts";
import type { Column, Tone } from "../output/table.ts";
import { stop, usage } from "../stopped.ts";
import { addGatewayCheck } from "./gateway-check.ts";

/** As EDGE_SHARED_BUCKETS is where nobody has set it. */
const USUAL_SIZE = 251;

type Gateway = Schemas["Gateway"];
type Traced = Schemas["RouteTrace"]["gateways"][number];

/** `gateway`: who carries instances at the edge. */
export function addGatewayRoom(program: CommandUnknownOpts, context: Context): void {
  const { operator, show } = context;
  const gateway = program
    .command("gateway")
    .alias("gateways")
    .description("See the gateways of the edge, and where they lead.");

  gateway
    .command("list")
    .description("List the gateways that live, and those on droplets that come or go.")
    .action(async () => {
      const gateways = await answered((await operator()).GET("/ops/api/gateways"));
      show.rows(gateways, columns, "No gateway lives.");
    });

  gateway
    .command("table")
    .description("Show which share of EDGE_SHARED_ADDRESS each gateway answers, as it follows from those that live.")
    .option("--size <buckets>", "EDGE_SHARED_BUCKETS of the service", readSize, USUAL_SIZE)
    .action(async ({ size }) => {
      const gateways = await answered((await operator()).GET("/ops/api/gateways"));
      const shares = sharesOf(gateways, size);
      show.rows(shares, shareColumns(size), "No gateway is live.", { size, gateways: shares });
    });

  addGatewayCheck(gateway, context);

  gateway
    .command("trace")
    .description("Ask all gateways where they lead clients of an instance; exit code 6 when they do not agree.")
    .argument("<instance>", "id of the instance")
    .action(async (id) => {
      const api = await operator();
      const trace = await answered(api.GET("/ops/api/instances/{id}/trace", { params: { path: { id } } }));
      show.rows(trace.gateways, traceColumns, "No gateway lives.", trace);
      const targets = new Set(trace.gateways.map(({ hasAnswered, target }) => (hasAnswered ? target : undefined)));
      if (targets.size > 1 || targets.has(undefined))
        throw stop(
          "later",
          "no-agreement",
          "The gateways do not agree",
          `They should lead ${id} to one place within a second.`,
        );
    });
}

const tones: Readonly<Record<Gateway["state"], Tone>> = {
  joining: "watch",
  live: "good",
  draining: "watch",
  unreadable: "bad",
  ordered: "watch",
  booting: "watch",
  silent: "bad",
  destroying: "watch",
};

const columns: readonly Column<Gateway>[] = [
  { title: "NAME", of: ({ name }) => name },
  { title: "STATE", of: ({ state }) => state, tone: ({ state }) => tones[state] },
  { title: "ADDRESSES", of: ({ addresses }) => addresses.join(" ") || "-", isCut: true },
  { title: "ROUTES", of: ({ routes }) => shown(routes) },
  { title: "CONNECTIONS", of: ({ connections }) => shown(connections) },
  { title: "VERSION", of: ({ version }) => version ?? "-" },
];

/** What a gateway answers of a shared address. */
type Share = { readonly name: string; readonly buckets: readonly number[] };

/** The same table as the gateways build it: those that take new connections, whatever the order. */
function sharesOf(gateways: readonly Gateway[], size: number): Share[] {
  const live = gateways.filter(({ state }) => state === "live").map(({ name }) => name);
  const { ids, buckets } = buildTable(
    live.map((name) => ({ id: peerName(name) })),
    size,
  );
  return live.map((name) => ({
    name,
    buckets: buckets.flatMap((member, bucket) => (ids[member] === peerName(name) ? [bucket] : [])),
  }));
}

function shareColumns(size: number): readonly Column<Share>[] {
  return [
    { title: "GATEWAY", of: ({ name }) => name },
    { title: "BUCKETS", of: ({ buckets }) => `${buckets.length} of ${size}` },
    { title: "SHARE", of: ({ buckets }) => `${((100 * buckets.length) / size).toFixed(1)} %` },
  ];
}

function readSize(text: string): number {
  const size = readWhole(text, "--size", MIN_TABLE_SIZE, MAX_TABLE_SIZE);
  if (isTableSize(size)) return size;
  throw usage(`--size must be a prime number from ${MIN_TABLE_SIZE} to ${MAX_TABLE_SIZE}.`);
}

const traceColumns: readonly Column<Traced>[] = [
  { title: "GATEWAY", of: ({ name }) => name },
  {
    title: "LEADS TO",
    of: ({ hasAnswered, target }) => (hasAnswered ? (target ?? "nowhere") : "no answer"),
    tone: ({ hasAnswered, target }) => (!hasAnswered ? "bad" : target === null ? "watch" : "good"),
  },
];

function shown(count: number | null): string {
  return count === null ? "-" : String(count);
}
