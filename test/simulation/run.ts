import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { placementPolicies } from "../../apps/core/fleet/placement.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { ourControl, seedControl } from "./control.ts";
import { createDemand } from "./demand.ts";
import { hoursPlot } from "./plot.ts";
import { simulate, type Outcome } from "./simulate.ts";
import { createWorld } from "./world.ts";

/** The `npm run simulate` program: the same demand against each policy, and against the rules of Get A Redis. */
const SLOTS = 40;
const HANDOUTS_A_DAY_PER_HOST = 100;
const names = [...placementPolicies, "seed"] as const;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    days: { type: "string", default: "2" },
    hosts: { type: "string", default: "1000" },
    policy: { type: "string", multiple: true },
    "ended-early": { type: "string", default: "0" },
    extended: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    plots: { type: "string" },
  },
});
const chosen = values.policy ?? names;
const unknown = chosen.filter((name) => !names.some((each) => each === name));
if (unknown.length > 0) throw new Error(`there is no policy ${unknown.join(", ")}; there are ${names.join(", ")}`);
const hosts = whole("hosts", values.hosts, 1);
const days = whole("days", values.days, 1);
const habits = {
  endedEarly: whole("ended-early", values["ended-early"], 0),
  extended: whole("extended", values.extended, 0),
};

const demand = createDemand(whole("seed", values.seed, 0), days, hosts * HANDOUTS_A_DAY_PER_HOST, habits);
const { fleet, warmPool } = loadSettings({});
const outcomes = new Map<string, Outcome>();
for (const name of names.filter((each) => chosen.includes(each))) {
  const world = createWorld(SLOTS, 2 * hosts + 10);
  const control =
    name === "seed" ? seedControl(world) : ourControl(world, name, { ...fleet, cap: world.cap }, warmPool);
  outcomes.set(name, simulate(demand, world, control, fleet.standbys));
}

if (values.json)
  console.log(JSON.stringify({ hosts, days, seed: demand.seed, habits, outcomes: Object.fromEntries(outcomes) }));
else {
  console.log(
    `${demand.count} people in ${days} days; ${SLOTS} slots a host; the first of several days does not count.`,
  );
  console.table(Object.fromEntries([...outcomes].map(([name, outcome]) => [name, rowOf(outcome)])));
}
if (values.plots !== undefined) {
  await mkdir(values.plots, { recursive: true });
  const file = join(values.plots, "droplets.svg");
  await writeFile(file, hoursPlot(outcomes));
  if (!values.json) console.log(`✓ ${file}`);
}

function rowOf(outcome: Outcome) {
  const { noRoom, tooSlow } = outcome.refused;
  return {
    "of the least": Number((outcome.dropletHours / outcome.leastHours).toFixed(3)),
    "droplet-hours": Math.round(outcome.dropletHours),
    US$: Math.round(outcome.dollars),
    "handed out": outcome.handedOut,
    "warm %": Math.round((100 * outcome.warm) / Math.max(1, outcome.handedOut)),
    "no room": noRoom,
    "too slow": tooSlow,
    "p50 ms": Math.round(outcome.waitMs.p50),
    "p99 ms": Math.round(outcome.waitMs.p99),
    standbys: Number(outcome.standbys.toFixed(1)),
    "most droplets": outcome.mostDroplets,
  };
}

function whole(name: string, text: string, least: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least)
    throw new Error(`--${name} must be a whole number from ${least}, not "${text}"`);
  return number;
}
