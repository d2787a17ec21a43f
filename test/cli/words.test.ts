import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readMoment, readSeconds } from "../../apps/cli/input/durations.ts";
import { findRedisUrl } from "../../apps/cli/input/redis-url.ts";
import { readServiceAddress } from "../../apps/cli/input/service-address.ts";
import { fields, table } from "../../apps/cli/output/table.ts";
import { bytes, fromNow, moment, span } from "../../apps/cli/output/words.ts";

const now = new Date("2026-01-01T00:00:00Z");

describe("what people type and read", () => {
  it("reads times in seconds, minutes, hours and days, and in several of them", () => {
    assert.deepEqual(
      ["0", "90", "90s", "15m", "2h", "1h30m", "1d"].map((text) => readSeconds(text)),
      [0, 90, 90, 900, 7200, 5400, 86_400],
    );
    for (const text of ["", "-1", "1.5h", "2 h", "h", "1e3", "1w", "99999999999"])
      assert.throws(() => readSeconds(text), text);
  });

  it("reads moments as they are, or as a time from now", () => {
    assert.equal(readMoment("2h", now), "2026-01-01T02:00:00.000Z");
    assert.equal(readMoment("2027-01-31T12:00:00+01:00", now), "2027-01-31T11:00:00.000Z");
    for (const text of ["", "tomorrow", "2027-13-01", "5", "2"]) assert.throws(() => readMoment(text, now), text);
  });

  it("finds the URL of an instance in a text, and by which name the API knows it", () => {
    assert.deepEqual(findRedisUrl("redis://default:secret@192.0.2.1:20000"), {
      name: "192.0.2.1:20000",
      password: "secret",
    });
    assert.deepEqual(
      findRedisUrl("# a\nREDIS_URL='rediss://default:a%2Bb@5sq9fsfr26iw58ze.redis.example.org:6379/0'\n"),
      {
        name: "5sq9fsfr26iw58ze",
        password: "a+b",
      },
    );
    assert.deepEqual(findRedisUrl("redis://:pw@[2001:db8::1]"), { name: "[2001:db8::1]:6379", password: "pw" });
    for (const text of ["", "192.0.2.1:20000", "redis://192.0.2.1:20000", "http://a:b@c", "redis://"])
      assert.equal(findRedisUrl(text), undefined, text);
  });

  it("takes an address of a service without what is at its end", () => {
    assert.equal(readServiceAddress("https://redis.example.org/", "--api"), "https://redis.example.org");
    assert.equal(readServiceAddress("http://[::1]:8080", "--api"), "http://[::1]:8080");
    for (const text of ["", "redis.example.org", "ftp://a", "http://a/?b=c", "http://a/#b", "http://u@a"])
      assert.throws(() => readServiceAddress(text, "--api"), text);
  });

  it("tells spans and sizes in the unit that fits", () => {
    assert.deepEqual([0, 1, 59, 60, 90, 3600, 5400, 36_000, 86_400, 90_000, 864_000].map(span), [
      "0 s",
      "1 s",
      "59 s",
      "1 min",
      "1 min 30 s",
      "1 h",
      "1 h 30 min",
      "10 h",
      "1 day",
      "1 day 1 h",
      "10 days",
    ]);
    assert.deepEqual([0, 999, 1000, 1500, 123_456, 5_000_000_000].map(bytes), [
      "0 B",
      "999 B",
      "1 kB",
      "1.5 kB",
      "123 kB",
      "5 GB",
    ]);
    assert.equal(fromNow("2025-12-31T23:59:00Z", now), "1 min ago");
    assert.equal(fromNow(null, now), "-");
    assert.equal(moment("2026-01-01T12:00:00.5Z", now), "2026-01-01 12:00:00 UTC (in 12 h)");
  });
});

describe("a table", () => {
  const plain = { width: undefined, paint: (_tone: unknown, text: string) => text };
  const Row = fc.record({ name: fc.string(), reason: fc.string({ unit: "grapheme" }) });
  const columns = [
    { title: "NAME", of: ({ name }: { name: string }) => name, isCut: true },
    { title: "REASON", of: ({ reason }: { reason: string }) => reason, isCut: true },
  ];

  it("has a line for each row, whatever is in it, and no line longer than the terminal has room for", () => {
    fc.assert(
      fc.property(fc.array(Row), fc.integer({ min: 20, max: 120 }), (rows, width) => {
        const lines = table(rows, columns, { ...plain, width }).split("\n");
        assert.equal(lines.length, rows.length + 2);
        assert.equal(lines.at(-1), "");
        assert.ok(lines.every((line) => Array.from(line).length <= width));
        assert.ok(!/[\p{Cc}\p{Cf}]/u.test(lines.join("")));
      }),
    );
  });

  it("cuts the widest of what may be cut, and nothing else", () => {
    const wide = { name: "a".repeat(10), reason: "b".repeat(40) };
    const [, row] = table([wide], columns, { ...plain, width: 40 }).split("\n");
    assert.equal(row, `${"a".repeat(10)}  ${"b".repeat(27)}…`);
    const kept = columns.map(({ title, of }) => ({ title, of }));
    assert.ok(table([wide], kept, { ...plain, width: 40 }).includes("b".repeat(40)));
  });

  it("of one thing has a line for each of its fields, one below the other", () => {
    assert.equal(
      fields(
        [
          ["a", "1"],
          ["long", "2\n3"],
        ],
        plain,
      ),
      "a     1\nlong  2 3\n",
    );
  });
});
