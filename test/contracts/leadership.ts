import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { until } from "../bed/until.ts";

/** One candidate for the leadership of a job. */
type Candidate = { readonly term: () => Promise<number | undefined>; readonly resign: () => Promise<void> };

/** Makes candidates for jobs over one empty database; the suite has all of them resign. */
export type OpenLeadership = () => Promise<(job: string) => Candidate>;

/** What every leadership keeps to: one leader a job, and a new term for each. */
export function describeLeadershipContract(open: OpenLeadership): void {
  describe("the leadership", () => {
    let candidate: (job: string) => Candidate;
    beforeEach(async () => {
      candidate = await open();
    });

    it("is one process's, and another's as soon as that one ends", async () => {
      const [one, other] = [candidate("scale"), candidate("scale")];
      const term = (await one.term()) ?? assert.fail("nobody else leads");
      assert.equal(await other.term(), undefined);
      assert.equal(await one.term(), term);
      await one.resign();
      assert.equal(await until("the other leads", other.term), term + 1);
      await other.resign();
    });

    it("of another job is another", async () => {
      const [one, other] = [candidate("scale"), candidate("other")];
      assert.deepEqual([await one.term(), await other.term()], [1, 1]);
      await one.resign();
      await other.resign();
    });

    it("is one process's, however many ask at once", async () => {
      const candidates = Array.from({ length: 5 }, () => candidate("scale"));
      const terms = await Promise.all(candidates.map(({ term }) => term()));
      assert.deepEqual(
        terms.filter((term) => term !== undefined),
        [1],
      );
      for (const { resign } of candidates) await resign();
    });
  });
}
