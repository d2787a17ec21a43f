import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { seriousViolations } from "./chromium.ts";
import { getInstance, sidewaysOf, visitPages } from "./page-visits.ts";

describe("the look of the homepage", () => {
  const { open, origin, takeWithoutPage, endAfterwards } = visitPages({ QUOTA_PER_ADDRESS: "2" });

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

  it("keeps the edges of its buttons where the system gives the colours", async () => {
    const page = await open();
    const edgeOf = (selector: string) =>
      page.evaluate<string[]>(
        `(({ borderTopStyle, borderTopWidth, borderTopColor, backgroundColor }) =>
           [borderTopStyle, borderTopWidth, String(borderTopColor !== backgroundColor)]
         )(getComputedStyle(document.querySelector("${selector}")))`,
      );
    assert.deepEqual((await edgeOf(".key")).slice(0, 2), ["none", "0px"]);
    await page.emulateMedia({ forcedColors: "active" });
    assert.deepEqual(await edgeOf(".key"), ["solid", "3px", "true"]);
    assert.deepEqual(await edgeOf(".state"), ["solid", "1px", "true"]);
    assert.notEqual(
      await page.evaluate("getComputedStyle(document.querySelector('.lease-left')).backgroundColor"),
      await page.evaluate("getComputedStyle(document.querySelector('.lease-bar')).backgroundColor"),
      "the time left is seen",
    );
  });

  it("shows a returning phone its Redis before the button, and reaches it first by keyboard", async () => {
    const page = await open({ viewport: { width: 390, height: 844 } });
    const isSlipFirst = () =>
      page.evaluate<boolean>(
        `document.querySelector(".slip").getBoundingClientRect().top <
           document.querySelector(".key").getBoundingClientRect().top`,
      );
    assert.equal(await isSlipFirst(), false);
    await getInstance(page);
    assert.equal(await isSlipFirst(), false, "nothing moves under a finger");
    await page.reload();
    assert.equal(await isSlipFirst(), true);
    assert.equal(
      await page.evaluate(`Boolean(document.querySelector(".slip").compareDocumentPosition(
        document.querySelector(".key")) & Node.DOCUMENT_POSITION_FOLLOWING)`),
      true,
    );
  });

  for (const width of [360, 768, 3840]) {
    it(`never scrolls sideways at ${width} pixels`, async () => {
      const page = await open({ viewport: { width, height: 800 } });
      assert.equal(await sidewaysOf(page), 0);
      await getInstance(page);
      for (const way of await page.locator(".ways label").all()) {
        await way.click();
        assert.equal(await sidewaysOf(page), 0);
      }
      await takeWithoutPage();
      await page.click(".key");
      await page.waitForSelector("[data-problem]:visible");
      assert.equal(await sidewaysOf(page), 0, "nor by a refusal");
    });
  }

  for (const [colorScheme, width] of [
    ["light", 1280],
    ["dark", 390],
  ] as const) {
    it(`goes on in the API's reference: no serious fault, under 150 KB, ${colorScheme}, ${width} pixels`, async () => {
      const page = await open({ colorScheme, viewport: { width, height: 900 } }, `${origin()}/docs`);
      assert.deepEqual(await seriousViolations(page), []);
      assert.equal(await sidewaysOf(page), 0);
      const bytes = await page.evaluate<number>(
        "performance.getEntries().reduce((sum, { decodedBodySize = 0 }) => sum + decodedBodySize, 0)",
      );
      assert.ok(bytes > 10_000 && bytes < 150 * 1024, `${bytes} bytes`);
    });
  }

  it("has a form that tries a call, with a body that fits, under our content security policy", async () => {
    const page = await open({}, `${origin()}/docs/try`);
    await page.click("#operations-tag-instances");
    await page.click("#operations-instances-createInstance .opblock-summary-control");
    assert.equal(await page.inputValue("#operations-instances-createInstance textarea"), '{\n  "ttlSeconds": 3600\n}');
    await page.click(".btn.execute");
    const status = page.locator(".live-responses-table tbody .response-col_status");
    assert.equal((await status.innerText()).trim().slice(0, 3), "201");
    const made = JSON.parse(await page.locator(".live-responses-table .microlight").first().innerText()) as Handout;
    endAfterwards(made);
  });
});
