import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadSettings } from "../../apps/core/settings/load.ts";
import type { PlacementPolicy } from "../../apps/core/fleet/placement.ts";
import { ourControl, seedControl } from "./control.ts";
import { createDemand } from "./demand.ts";
import { simulate } from "./simulate.ts";
import { createWorld, InvariantBroken } from "./world.ts";

const HOSTS = 40;
const { fleet, warmPool } = loadSettings({});

/** Droplet-hours of a policy, as a share of the least there can be, for one demand; it throws when a promise breaks. */
function run(policy: PlacementPolicy | "seed", pool = warmPool, cap = 2 * HOSTS) {
  const world = createWorld(40, cap);
  const control =
    policy === "seed" ? seedControl(world) : ourControl(world, policy, { ...fleet, cap: world.cap }, pool);
  return simulate(createDemand(1, 2, HOSTS * 100), world, control);
}

/** The policy in use, with the pool in use: several tests look at this run, which takes a second. */
let inUse: ReturnType<typeof run> | undefined;
const runInUse = () => (inUse ??= run("busiest-first"));

describe("the simulation", () => {
  const noPool = { ...warmPool, least: 0, most: 0 };
  const share = ({ dropletHours, leastHours }: ReturnType<typeof run>) => dropletHours / leastHours;

  it("gives the same for the same seed, and comes to rest with one empty host", () => {
    assert.deepEqual(run("busiest-first"), runInUse());
  });

  it("pays for no less than the leases fill, and by expiry for less than by use", () => {
    const byExpiry = share(run("expiry-aware", noPool));
    assert.ok(byExpiry >= 1);
    assert.ok(byExpiry < share(run("busiest-first", noPool)));
  });

  it("stays within the cap, and refuses those who find no room", () => {
    const { mostDroplets, refused } = run("busiest-first", warmPool, 20);
    assert.equal(mostDroplets, 20);
    assert.ok(refused.noRoom > 0);
  });

  it("refuses more by the rules of Get A Redis than by ours", () => {
    assert.ok(run("seed").refused.noRoom >= runInUse().refused.noRoom);
  });

  it("notices when a slot is given twice, and when a host with leases is destroyed", () => {
    const world = createWorld(1, 1);
    const host = world.join(world.order(0), 0) ?? assert.fail("it has not joined");
    world.take(host, 1, 1000);
    assert.throws(() => world.take(host, 2, 1000), InvariantBroken);
    assert.throws(() => world.destroy(host.droplet, 0), InvariantBroken);
    assert.throws(() => world.order(0), InvariantBroken);
  });
});
