import { loadSettings } from "../../apps/core/settings/load.ts";
import { placementPolicies } from "../../apps/core/fleet/placement.ts";
import { ourControl, seedControl, type Control } from "../simulation/control.ts";
import { createDemand } from "../simulation/demand.ts";
import { simulate } from "../simulation/simulate.ts";
import { createWorld, type World } from "../simulation/world.ts";
import type { Bench, Outcome } from "./bench.ts";
import type { Figure } from "./figure.ts";

/** Seeds: each is a round, with people of its own. */
const SEEDS = [1, 2, 3];
/** The first day fills the fleet and does not count. */
const DAYS = 3;
const PEOPLE_A_DAY = 20_000;
const SLOTS = 40;
const CAP = 10_000;

/** What a simulated fleet costs. */
export const droplets: Bench = {
  name: "droplets",
  measures: `droplet-hours of a fleet in virtual time, ${PEOPLE_A_DAY} people a day with mixed lifetimes, by placement policy`,
  yardstick: "the lower bound: as many droplets as the leases of each moment fill, and the standby",
  goal: "ratio <= 1.10 with expiry-aware placement",
  run,
};

function run(): Promise<Outcome> {
  const { fleet } = loadSettings({ DROPLET_CAP: String(CAP) });
  const controls = new Map<string, (world: World) => Control>([
    ...placementPolicies.map((policy) => [policy, (world: World) => ourControl(world, policy, fleet)] as const),
    ["Get A Redis's own rule", seedControl],
  ]);
  const figures: Figure[] = [];
  const notes: string[] = [];
  for (const [name, control] of controls) {
    const outcomes = SEEDS.map((seed) => {
      const world = createWorld(SLOTS, CAP);
      return simulate(createDemand(seed, DAYS, PEOPLE_A_DAY), world, control(world));
    });
    figures.push({
      what: name,
      unit: "h",
      share: 0.5,
      rounds: outcomes.map(({ dropletHours }) => [dropletHours]),
      yardstick: outcomes.map(({ leastHours }) => [leastHours]),
      ...(name === "expiry-aware" && { goal: { of: "ratio", atMost: 1.1 } as const }),
    });
    const asked = outcomes.reduce((sum, each) => sum + each.asked, 0);
    const refused = outcomes.reduce((sum, each) => sum + each.refused.noRoom + each.refused.tooSlow, 0);
    notes.push(`${name}: ${refused} of ${asked} people refused`);
  }
  return Promise.resolve({ figures, notes });
}
