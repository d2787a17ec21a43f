import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { budgetRefusal, budgetsOf, dayBegins, hourOf, type BudgetUse } from "../../../apps/core/instances/budgets.ts";
import { readListedNetworks } from "../../../apps/core/instances/listed-networks.ts";

const at = (time: string) => new Date(`2026-01-01T${time}Z`);
const nobody: BudgetUse = { address: { live: 0, started: [] }, networks: [{ ends: [], started: [] }] };

describe("budgetsOf", () => {
  const rules = {
    quotaPerAddress: 6,
    quotaPerNetwork: 24,
    startsPerAddress: 200,
    startsPerNetwork: 800,
    listedNetworks: readListedNetworks("198.51.0.0/16 Example Hosting\n"),
  };
  const keysOf = (address: string) => budgetsOf(address, rules, false).networks.map(({ key }) => key);

  it("counts an address in its /24 or /48, and in the network that a list names", () => {
    assert.deepEqual(keysOf("203.0.113.9"), ["203.0.113.0/24"]);
    assert.deepEqual(keysOf("2001:db8:1:2::/64"), ["2001:db8:1::/48"]);
    assert.deepEqual(keysOf("198.51.100.1"), ["198.51.100.0/24", "list:Example Hosting"]);
  });

  it("lets a network have as many of the last places as one address may hold", () => {
    assert.deepEqual(budgetsOf("203.0.113.9", rules, true).newcomersOnly, { mostInNetwork: 6 });
  });
});

describe("budgetRefusal", () => {
  const budgets = {
    address: { live: 6, startsPerDay: 10 },
    networks: [{ key: "203.0.113.0/24", live: 2, startsPerDay: 20 }],
    newcomersOnly: undefined,
  };
  const started = (hour: string, starts: number) => [{ hour: at(hour), starts }];

  it("has nothing against an address that holds nothing in a network that holds nothing", () => {
    assert.equal(budgetRefusal(nobody, budgets), undefined);
    assert.equal(budgetRefusal(nobody, { ...budgets, newcomersOnly: { mostInNetwork: 1 } }), undefined);
  });

  it("names the earliest time at which there is room again", () => {
    assert.deepEqual(
      budgetRefusal({ ...nobody, networks: [{ ends: [at("09:00:00"), at("08:00:00")], started: [] }] }, budgets),
      { kind: "network-quota-exceeded", most: 2, nextFreeAt: at("08:00:00") },
    );
    const spent = [...started("03:00:00", 9), ...started("02:00:00", 1), ...started("01:00:00", 0)];
    assert.deepEqual(budgetRefusal({ ...nobody, address: { live: 1, started: spent } }, budgets), {
      kind: "starts-exceeded",
      of: "address",
      most: 10,
      nextFreeAt: new Date("2026-01-02T02:00:00Z"),
    });
  });

  it("counts a day in whole hours, and never one longer than a day", () => {
    assert.deepEqual(hourOf(at("05:59:59")), at("05:00:00"));
    assert.deepEqual(dayBegins(new Date("2026-01-02T05:59:59Z")), at("06:00:00"));
    assert.deepEqual(dayBegins(new Date("2026-01-02T05:00:00Z")), at("06:00:00"));
  });
});
