import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import siphash from "siphash";
import {
  buildTable,
  isTableSize,
  lookUp,
  peerName,
  type MaglevMember,
  type MaglevTable,
} from "../../../apps/core/balance/maglev.ts";

const LARGE = 65_537;
const members = (...ids: string[]): MaglevMember[] => ids.map((id) => ({ id }));
const anyMembers = (maxLength = 20) =>
  fc.uniqueArray(
    fc.record({ id: fc.string({ minLength: 1, maxLength: 12 }), weight: fc.integer({ min: 1, max: 9 }) }),
    {
      selector: ({ id }) => id,
      minLength: 1,
      maxLength,
    },
  );
const anySize = fc.constantFrom(13, 53, 251, 1021, 2039);
const owners = ({ ids, buckets }: MaglevTable) => buckets.map((member) => ids[member]);
const sharesOf = (table: MaglevTable) => Map.groupBy(owners(table), (id) => id);

describe("SipHash-2-4", () => {
  it("gives the figures of its paper, for every length up to a block and more", () => {
    // Aumasson & Bernstein, "SipHash: a fast short-input PRF", appendix A and its reference implementation: the key
    // is 00 01 … 0f, the text 00 01 …
    const key = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c] as const;
    const hex = (length: number) => {
      const { h, l } = siphash.hash(key, String.fromCharCode(...Array(length).keys()));
      return [h, l].map((half) => half.toString(16).padStart(8, "0")).join("");
    };
    assert.deepEqual([0, 1, 7, 8, 15].map(hex), [
      "726fdb47dd0e0e31",
      "74f839c593dc67fd",
      "ab0200f58b01d137",
      "93f5f5799a932462",
      "a129ca6149be45e5",
    ]);
  });
});

describe("a maglev table", () => {
  it("makes the same peers answer for the same shares as maglev0", () => {
    const responsible = (...live: string[]) => {
      const table = buildTable(members(...live.map(peerName)), 13);
      return ["1", "2", "3", "4", "5"].map((node) => Number(lookUp(table, node)?.replace("backend-", "")));
    };
    assert.deepEqual(responsible("1", "2", "3", "4", "5"), [3, 5, 5, 2, 3]);
    assert.deepEqual(responsible("1", "3", "4"), [3, 1, 1, 4, 3]);
    assert.deepEqual(responsible("1", "3"), [3, 1, 1, 3, 3]);
  });

  it("is the same whatever the order in which members came and went", () => {
    fc.assert(
      fc.property(
        anyMembers().chain((all) =>
          fc.record({ all: fc.constant(all), shuffled: fc.shuffledSubarray(all, { minLength: all.length }) }),
        ),
        anySize,
        ({ all, shuffled }, size) => assert.deepEqual(buildTable(shuffled, size), buildTable(all, size)),
      ),
    );
  });

  it("gives every bucket to a member, and every member a bucket while there are enough", () => {
    fc.assert(
      fc.property(anyMembers(), anySize, (all, size) => {
        const table = buildTable(all, size);
        assert.equal(table.buckets.length, size);
        assert.ok(owners(table).every((id) => id !== undefined));
        assert.equal(sharesOf(table).size, Math.min(all.length, size));
      }),
    );
  });

  it("gives members of one weight the same share, give or take a bucket", () => {
    fc.assert(
      fc.property(anyMembers(), anySize, (all, size) => {
        const shares = [...sharesOf(buildTable(members(...all.map(({ id }) => id)), size)).values()].map(
          ({ length }) => length,
        );
        assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
      }),
    );
  });

  it("gives a member the share that its weight says, give or take one bucket a member", () => {
    fc.assert(
      fc.property(anyMembers(), anySize, (all, size) => {
        const shares = sharesOf(buildTable(all, size));
        const total = all.reduce((sum, { weight }) => sum + weight, 0);
        for (const { id, weight } of all)
          assert.ok(Math.abs((shares.get(id)?.length ?? 0) - (size * weight) / total) <= all.length);
      }),
    );
  });

  it("moves at most one bucket in a hundred besides those of a member that leaves", () => {
    const moved = (all: readonly MaglevMember[], gone: string) => {
      const before = owners(buildTable(all, LARGE));
      const after = owners(
        buildTable(
          all.filter(({ id }) => id !== gone),
          LARGE,
        ),
      );
      return before.filter((id, bucket) => id !== gone && after[bucket] !== id).length / LARGE;
    };
    fc.assert(
      fc.property(anyMembers(12), fc.nat(), (all, at) => {
        fc.pre(all.length > 1);
        assert.ok(moved(all, all[at % all.length]?.id ?? "") <= 0.01);
      }),
      { numRuns: 20 },
    );
    const hundred = members(...Array.from({ length: 100 }, (_, index) => `gateway-${index}`));
    assert.ok(moved(hundred, "gateway-50") <= 0.01);
  });

  it("has nobody for a key when nobody lives", () => {
    assert.deepEqual(buildTable([], 13), { ids: [], buckets: [] });
    assert.equal(lookUp(buildTable([], 13), "1"), undefined);
  });

  it("is refused for a number of buckets that is no prime, too small or too large", () => {
    for (const size of [0, 1, 2, 11, 12, 14, 15, 256, 65_535, 65_536, 65_539, -13, 13.5, NaN, Infinity]) {
      assert.equal(isTableSize(size), false, `${size}`);
      assert.throws(() => buildTable(members("a"), size), /must be a prime, 13 to 65537/);
    }
    for (const size of [13, 17, 251, 65_521, 65_537]) assert.equal(isTableSize(size), true, `${size}`);
  });

  it("is refused for a member that is there twice, and for a weight that is no whole number from 1", () => {
    assert.throws(() => buildTable(members("a", "b", "a"), 13), /Member "a" is there twice/);
    for (const weight of [0, -1, 1.5, NaN, Infinity, 65_536])
      assert.throws(() => buildTable([{ id: "a", weight }], 13), /Member "a" has weight/);
  });
});
