import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seriousViolations } from "./chromium.ts";
import { getInstance, sidewaysOf, visitPages } from "./page-visits.ts";

describe("the look of the homepage", () => {
  const { open, origin, takeWithoutPage } = visitPages({ QUOTA_PER_ADDRESS: "2" });

  for (const width of [390, 1440]) {
    it(`stays where it is while the blanks fill in, at ${width} pixels`, async () => {
      const page = await open({ viewport: { width, height: 900 } });
      const places = () =>
        page.evaluate<object[]>(
          `['.get', '.slip', '.ways', '.lease', '.bench', '.tiles', '.more']
             .map((selector) => document.querySelector(selector).getBoundingClientRect())
             .map(({ left, top, width, height }) => ({ left, top: top + scrollY, width, height }))`,
        );
      const blank = await places();
      await getInstance(page);
      await page.waitForSelector("#command:enabled");
      assert.deepEqual(await places(), blank);
    });
  }

  it("weighs less than 60 KB at first, 75 KB in all, and nothing comes from elsewhere", async () => {
    const page = await open();
    const strangers: string[] = [];
    page.on("request", (request) => request.url().startsWith(origin()) || strangers.push(request.url()));
    await page.reload({ waitUntil: "networkidle" });
    const weight = () =>
      page.evaluate<number>(
        "performance.getEntries().reduce((sum, { decodedBodySize = 0 }) => sum + decodedBodySize, 0)",
      );
    const first = await weight();
    assert.ok(first > 10_000 && first < 60 * 1024, `${first} bytes`);
    await getInstance(page);
    await page.waitForSelector("#command:enabled");
    const all = await weight();
    assert.ok(all > first && all < 75 * 1024, `${all} bytes`);
    assert.deepEqual(strangers, []);
  });

  for (const colorScheme of ["light", "dark"] as const) {
    it(`has no serious accessibility fault, blank, held, refused or ended, in ${colorScheme} colours`, async () => {
      const page = await open({ colorScheme, reducedMotion: "reduce" });
      assert.deepEqual(await seriousViolations(page), []);
      await getInstance(page);
      assert.deepEqual(await seriousViolations(page), []);
      await takeWithoutPage();
      await page.click(".key");
      await page.waitForSelector("[data-problem]:visible");
      await page.click("[data-act=end]");
      assert.deepEqual(await seriousViolations(page), []);
      await page.click("[data-act=end-now]");
      await page.waitForSelector("[data-slip][data-state=ended]");
      assert.deepEqual(await seriousViolations(page), []);
    });
  }

  for (const width of [360, 768, 3840]) {
    it(`never scrolls sideways at ${width} pixels`, async () => {
      const page = await open({ viewport: { width, height: 800 } });
      assert.equal(await sidewaysOf(page), 0);
      await getInstance(page);
      for (const way of await page.locator(".ways label").all()) {
        await way.click();
        assert.equal(await sidewaysOf(page), 0);
      }
    });
  }
});
