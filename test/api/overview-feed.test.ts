import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { setImmediate as pause } from "node:timers/promises";
import { createOverviewFeed, type FeedMessage } from "../../apps/api/routes/ops/overview-feed.ts";
import type { FleetOverview } from "../../apps/core/operator/fleet-overview.ts";

describe("the overview's feed", () => {
  it("makes each message once, however many watch, so that it is put into words once", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      let reading = 0;
      const feed = createOverviewFeed(
        {
          draw: () => Promise.resolve({ at: String(++reading), hosts: [] } as unknown as FleetOverview),
          listEvents: () => Promise.resolve([]),
          listAlarms: () => Promise.resolve([]),
          onFault: (fault) => assert.fail(String(fault)),
        },
        1_000,
      );
      const told: FeedMessage[][] = Array.from({ length: 100 }, () => []);
      const leave = told.map((messages) => feed.follow((message) => void messages.push(message)));
      while (told.some((messages) => messages.every(({ kind }) => kind !== "change"))) {
        mock.timers.tick(1_000);
        await pause();
      }
      for (const each of leave) each();
      const different = new Set(told.flat());
      const kinds = [...different].map(({ kind }) => kind);
      assert.equal(kinds.filter((kind) => kind === "picture").length, 1);
      assert.ok(different.size <= 3 + reading, `${different.size} messages in ${reading} readings`);
    } finally {
      mock.timers.reset();
    }
  });
});
