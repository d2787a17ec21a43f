import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createAddressSharer } from "../../../apps/core/ports/share-address.ts";
import {
  shareOf,
  sharedLinkAddress,
  type AddressShare,
  type ShareHistory,
} from "../../../apps/core/ports/shared-address.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";

const SIZE = 251;
const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 1, maxLength: 8 });
const all = (...living: string[]) => ({ taking: living, living });

describe("the share that a gateway has of an address", () => {
  it("leaves every bucket to exactly one of all that take connections, in whatever order they are named", () => {
    fc.assert(
      fc.property(names, (peers) => {
        const shares = peers.map((peer) => shareOf(peer, all(...peers.toReversed()), SIZE, undefined).share);
        assert.deepEqual(
          shares.flatMap(({ mine }) => mine).sort((a, b) => a - b),
          Array.from({ length: SIZE }, (_, bucket) => bucket),
        );
        assert.equal(shares.filter(({ isFirst }) => isFirst).length, 1);
      }),
      { numRuns: 50 },
    );
  });

  it("has connections of a living peer left alone, and those of a dead one told", () => {
    const both = shareOf("a", all("a", "b"), SIZE, undefined);
    const settled = shareOf("a", all("a"), SIZE, both.history);
    assert.equal(settled.share.mine.length, SIZE);
    assert.deepEqual(settled.share.fresh, [], "b is gone");
    assert.deepEqual(shareOf("a", all("a", "b"), SIZE, settled.history).share.fresh, [], "a had all of them itself");
  });

  it("has clients of one that dies told soon after all have started, too", () => {
    const a = shareOf("a", all("a", "b", "c"), SIZE, undefined);
    const dead = shareOf("c", all("a", "b", "c"), SIZE, undefined).share.mine;
    const { mine, fresh } = shareOf("a", all("a", "b"), SIZE, a.history).share;
    const inherited = mine.filter((bucket) => dead.includes(bucket));
    const untold = inherited.filter((bucket) => fresh.includes(bucket));
    assert.ok(untold.length <= inherited.length / 10, `${untold.length} of ${inherited.length}`);
  });

  it("has one that starts tell nothing of connections that may be somebody else's", () => {
    const { mine, fresh } = shareOf("b", all("a", "b"), SIZE, undefined).share;
    assert.deepEqual(fresh, mine);
    assert.deepEqual(shareOf("b", all("b"), SIZE, undefined).share.fresh, [], "there is nobody else");
  });

  it("leaves one that drains its connections and no bucket, however many come and go meanwhile", () => {
    const draining = { taking: ["b"], living: ["a", "b"] };
    assert.deepEqual(shareOf("a", draining, SIZE, undefined).share.mine, []);
    let history: ShareHistory | undefined = shareOf("b", all("a", "b"), SIZE, undefined).history;
    for (const peers of [draining, { taking: ["b", "c"], living: ["a", "b", "c"] }, draining]) {
      const next = shareOf("b", peers, SIZE, history);
      const had = shareOf("a", all("a", "b"), SIZE, undefined).share.mine;
      const taken = next.share.mine.filter((bucket) => had.includes(bucket));
      assert.ok(taken.length > 0 && taken.every((bucket) => next.share.fresh.includes(bucket)));
      ({ history } = next);
    }
  });

  it("is claimed whole by both of two that do not see each other, and by one alone for each bucket as soon as they do", () => {
    const [a, b] = [shareOf("a", all("a"), SIZE, undefined), shareOf("b", all("b"), SIZE, undefined)];
    assert.deepEqual([a.share.mine.length, b.share.mine.length], [SIZE, SIZE]);
    const [nextA, nextB] = [shareOf("a", all("a", "b"), SIZE, a.history), shareOf("b", all("a", "b"), SIZE, b.history)];
    assert.deepEqual(
      [...nextA.share.mine, ...nextB.share.mine].sort((x, y) => x - y),
      Array.from({ length: SIZE }, (_, bucket) => bucket),
    );
    assert.deepEqual([nextA.share.isFirst, nextB.share.isFirst].sort(), [false, true]);
  });

  it("is nothing for a gateway that is not among those that live", () => {
    assert.deepEqual(shareOf("c", all("a", "b"), SIZE, undefined).share.mine, []);
    assert.deepEqual(shareOf("c", all(), SIZE, undefined).share.mine, []);
  });
});

describe("sharing an address by who lives", () => {
  const bed = () => {
    let gateways: { name: string; state: string }[] = [];
    let isAway = false;
    const shares: (AddressShare | "cleared")[] = [];
    const renewals: string[] = [];
    const list = () =>
      isAway ? Promise.reject(new Unavailable("redis", "it is away")) : Promise.resolve(gateways as never);
    const sharer = createAddressSharer(
      {
        membership: { list },
        address: {
          set: (share) => Promise.resolve(void shares.push(share)),
          renew: () => Promise.resolve(void renewals.push("renewed")),
          clear: () => Promise.resolve(void shares.push("cleared")),
        },
      },
      "a",
      SIZE,
    );
    const live = (...living: string[]) => {
      gateways = living.map((each) => {
        const [name = "", state = "live"] = each.split(" ");
        return { name, state };
      });
    };
    return { sharer, shares, renewals, live, away: (is: boolean) => (isAway = is) };
  };

  it("answers for its share once it lives, changes it with the others, and does nothing in between", async () => {
    const { sharer, shares, live } = bed();
    live("b");
    assert.deepEqual(await sharer.step(), []);
    live("a", "b");
    assert.deepEqual(await sharer.step(), ["a", "b"]);
    assert.equal(await sharer.step(), undefined);
    live("a");
    assert.deepEqual(await sharer.step(), ["a"]);
    const [first, second, third] = shares;
    assert.equal(first, "cleared");
    assert.ok(typeof second === "object" && second.mine.length < SIZE);
    assert.ok(typeof third === "object" && third.mine.length === SIZE);
    assert.equal(shares.length, 3);
  });

  it("answers nothing when it is not known to live any more, and for its share again when it is", async () => {
    const { sharer, shares, live } = bed();
    for (const living of [["a"], ["b"], ["b"], ["a", "b"]]) {
      live(...living);
      await sharer.step();
    }
    assert.deepEqual(
      shares.map((share) => (share === "cleared" ? share : share.mine.length > 0)),
      [true, "cleared", true],
    );
  });

  it("takes nothing new while it drains, nor while it joins", async () => {
    const { sharer, shares, live } = bed();
    live("a joining", "b");
    await sharer.step();
    live("a draining", "b");
    assert.deepEqual(await sharer.step(), ["b"]);
    const [, last] = shares;
    assert.ok(typeof last === "object");
    assert.deepEqual(last.mine, []);
  });

  it("goes on as it was while who lives is unknown", async () => {
    const { sharer, shares, renewals, live, away } = bed();
    live("a", "b");
    await sharer.step();
    away(true);
    await assert.rejects(sharer.step(), Unavailable);
    assert.equal(shares.length, 1);
    assert.equal(renewals.length, 1, "its program lives");
  });
});

describe("the link address of a shared address", () => {
  it("is one for many, of our own, and another one for each address", () => {
    const [one = "", other] = ["10.0.0.1", "10.0.0.2"].map(sharedLinkAddress);
    assert.match(one, /^03(:[0-9a-f]{2}){5}$/);
    assert.notEqual(one, other);
  });
});
