import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { readWhole } from "../input/numbers.ts";
import type { Column } from "../output/table.ts";
import { messageOf } from "../../lib/errors.ts";
import { fromNow } from "../output/words.ts";
import { stop } from "../stopped.ts";
import type { World } from "../world.ts";
import { readReadiness } from "./status.ts";

type Gateway = Schemas["Gateway"];

/** Something that was looked at. */
type Finding = { readonly what: string; readonly isFine: boolean; readonly found: string };

const DAY_MS = 86_400_000;
/** A certificate that is renewed has more time left. */
const SOON_DAYS = 10;
/** What Redis says to whoever has not logged in. */
const NOT_LOGGED_IN = "-NOAUTH";

/** `gateway check`: whether clients get through, looked at from this machine. */
export function addGatewayCheck(
  gateway: CommandUnknownOpts,
  { operator, service, client, show, world }: Context,
): void {
  gateway
    .command("check")
    .description(
      "Check that clients get through, from this machine: what gateways need, the names under EDGE_DOMAIN, and of each " +
        "gateway port, certificate and answer. Exit code 7 when something is wrong.",
    )
    .argument("[name]", "name of a gateway (default: all that live)")
    .option("--wait <seconds>", "how long a gateway gets to answer", readWait, 5)
    .action(async (name, { wait }) => {
      const api = await operator();
      const edge = await answered(api.GET("/ops/api/edge"));
      // Those that are on their way, or at their end, are not to be reached.
      const all = (await answered(api.GET("/ops/api/gateways"))).filter(
        ({ state }) => state !== "ordered" && state !== "booting" && state !== "destroying",
      );
      const these = name === undefined ? all : all.filter((each) => each.name === name);
      if (name !== undefined && these.length === 0)
        throw stop("notFound", "not-found", "Not found", `No gateway ${name} lives. getaredis gateway list shows all.`);
      const { checks } = await readReadiness(client(service().address));
      const findings: Finding[] = [
        ...Object.entries(checks).map(([what, text]) => ({ what, isFine: text === "ok", found: text })),
        ...(these.length === 0 ? [{ what: "gateways", isFine: false, found: "none lives" }] : []),
        ...(name === undefined ? [await checkNames(world, edge.domain, all)] : []),
        ...(await Promise.all(these.map((each) => checkGateway(world, edge, each, wait * 1000)))).flat(),
      ];
      show.rows(findings, columns, "");
      const wrong = findings.filter(({ isFine }) => !isFine).length;
      if (wrong > 0)
        throw stop(
          "noService",
          "not-fine",
          "Not all is as it should be",
          `${wrong} of ${findings.length} checks failed.`,
        );
    });
}

function readWait(text: string): number {
  return readWhole(text, "--wait", 1, 60);
}

/** Whether names under the domain lead to all gateways that take clients, and to nobody else. */
async function checkNames({ remote }: World, domain: string, gateways: readonly Gateway[]): Promise<Finding> {
  const what = `names under ${domain}`;
  const lead = await remote.resolve(nameUnder(domain)).catch((fault: unknown) => messageOf(fault));
  if (typeof lead === "string") return { what, isFine: false, found: lead };
  if (lead.length === 0) return { what, isFine: false, found: "lead nowhere" };
  const live = gateways.filter(({ state }) => state === "live").flatMap(({ addresses }) => addresses);
  const missing = live.filter((address) => !lead.includes(address));
  const foreign = lead.filter((address) => !gateways.some(({ addresses }) => addresses.includes(address)));
  const found = [
    `lead to ${lead.join(", ")}`,
    ...(missing.length > 0 ? [`not to ${missing.join(", ")}`] : []),
    ...(foreign.length > 0 ? [`no gateway says that ${foreign.join(", ")} is its own`] : []),
  ].join("; ");
  return { what, isFine: missing.length === 0 && foreign.length === 0, found };
}

async function checkGateway(
  { remote, clock }: World,
  { domain, port }: Schemas["Edge"],
  { name, state, addresses, routes }: Gateway,
  timeoutMs: number,
): Promise<Finding[]> {
  const isCarrying = state === "live" || state === "draining";
  const says: Finding = {
    what: `${name} says`,
    isFine: isCarrying,
    found: isCarrying ? `${state}, carries ${routes ?? "?"} routes` : state,
  };
  if (addresses.length === 0)
    return [says, { what: `${name} is reached`, isFine: false, found: "it tells no address: set GATEWAY_ADDRESSES" }];
  const seen = await Promise.all(
    addresses.map(async (address): Promise<Finding> => {
      const what = `${name} at ${address.includes(":") ? `[${address}]` : address}:${port}`;
      const sight = await remote.seeGateway({ address, port, name: nameUnder(domain), timeoutMs });
      if (sight.kind === "away") return { what, isFine: false, found: sight.reason };
      const expires = `certificate expires ${fromNow(sight.expiresAt.toISOString(), clock())}`;
      const faults = [
        ...(sight.distrust === undefined ? [] : [`its certificate is not trusted here: ${sight.distrust}`]),
        ...(sight.expiresAt.getTime() - clock().getTime() < SOON_DAYS * DAY_MS ? [expires] : []),
        ...(sight.answer.startsWith(NOT_LOGGED_IN) ? [] : [`answers PING with ${JSON.stringify(sight.answer)}`]),
      ];
      return { what, isFine: faults.length === 0, found: faults.join("; ") || `answers; ${expires}` };
    }),
  );
  return [says, ...seen];
}

/** A name that no instance has. */
function nameUnder(domain: string): string {
  return `check.${domain}`;
}

const columns: readonly Column<Finding>[] = [
  { title: "WHAT", of: ({ what }) => what },
  { title: "", of: ({ isFine }) => (isFine ? "ok" : "WRONG"), tone: ({ isFine }) => (isFine ? "good" : "bad") },
  { title: "FOUND", of: ({ found }) => found, isCut: true },
];
