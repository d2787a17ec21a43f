import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { until } from "../bed/until.ts";
import { PLAIN_HTTP_NAME, seriousViolations } from "./chromium.ts";
import { getInstance, heldBy, ping, textOf, visitPages } from "./page-visits.ts";

describe("the homepage's form", () => {
  const { open, origin, takeWithoutPage, endAfterwards } = visitPages({
    QUOTA_PER_ADDRESS: "2",
    PROOF_OF_WORK_FROM_PERCENT: "30",
    PROOF_OF_WORK_MAX_BITS: "14",
  });

  for (const [how, name] of [
    ["https or loopback", "127.0.0.1"],
    ["plain http", PLAIN_HTTP_NAME],
  ] as const) {
    it(`works without JavaScript, by the form, over ${how}`, async () => {
      const page = await open({ javaScriptEnabled: false }, origin(name));
      await page.click(".key");
      const url = await textOf(page, "#field-url");
      assert.equal(await ping(url), "PONG");
      assert.equal(await textOf(page, "#code-env"), `REDIS_URL=${url}`);
      assert.equal(await page.isVisible("[data-copy=field-url]"), false, "no button that cannot work");
      const handout = JSON.parse((await page.getAttribute("[data-slip]", "data-instance")) ?? "") as Handout;
      endAfterwards(handout);
      const until = await textOf(page, "[data-lease-until]");
      await page.reload();
      assert.equal(await textOf(page, "#field-url"), url, "a reload shows the same and gets no other");
      await page.click("[action*='/extend'] button");
      await page.waitForSelector("[action*='/extend']", { state: "detached" });
      assert.notEqual(await textOf(page, "[data-lease-until]"), until);

      await takeWithoutPage();
      await page.click(".key");
      assert.match(await textOf(page, "[data-problem]"), /You have reached the limit of/);

      await page.goto(`${origin(name)}/held/${handout.id}`);
      await page.click("summary");
      await page.click("[action*='/end#'] button");
      assert.match(await textOf(page, ".lease"), /^Ended .*its password no longer works/s);
      assert.ok(!(await page.content()).includes(handout.password));
      await assert.rejects(ping(url));
    });

    it(`is not there for the forms of other sites, over ${how}`, async () => {
      for (const policy of ["unsafe-url", "no-referrer"]) {
        const target = origin(name);
        const page = await open({}, target);
        await page.route("http://elsewhere.example/", (route) =>
          route.fulfill({
            contentType: "text/html",
            headers: { "referrer-policy": policy },
            body: `<form method="post" action="${target}/instances"><button>Win</button></form>`,
          }),
        );
        await page.goto("http://elsewhere.example/");
        await page.click("button");
        assert.match(await textOf(page, "[data-problem]"), /Sent by another site/);
      }
    });
  }

  it("keeps the answer to a form that was posted before the script was there", async () => {
    const page = await open();
    await page.evaluate("document.querySelector('form').submit()");
    await page.waitForURL(`${origin()}/`);
    await page.waitForSelector("[data-slip][data-state=running]");
    const url = await textOf(page, "#field-url");
    await page.reload();
    assert.equal(await textOf(page, "#field-url"), url);
    assert.equal((await heldBy(page)).length, 1);
  });

  it("shows a page, not a document of errors, where there is nothing", async () => {
    const page = await open();
    await page.goto(`${origin()}/nowhere`);
    assert.match(await textOf(page, "main"), /Page not found: \/nowhere/);
    assert.deepEqual(await seriousViolations(page), []);
    await page.click("main a:has-text('Get a Redis')");
    await getInstance(page);
  });

  describe("while the service wants work first", () => {
    /** Fills so much of the host that work is wanted. */
    const fill = async () => {
      for (let count = 0; count < 3; count++)
        await until("the API sees what has ended", () => takeWithoutPage(`127.0.0.${2 + count}`));
    };

    it("does it unseen, also over plain http", async () => {
      await fill();
      const page = await open({}, origin(PLAIN_HTTP_NAME));
      const proofs: (string | undefined)[] = [];
      page.on("request", (request) => {
        if (request.method() === "POST" && request.url().endsWith("/instances"))
          proofs.push(request.headers()["proof-of-work"]);
      });
      const { url } = await getInstance(page);
      assert.equal(await ping(url), "PONG");
      assert.equal(proofs.length, 2);
      assert.match(proofs[1] ?? "", /^\d+\.\w+\.[\w-]+\.[\w-]+:\d+$/);
    });

    it("stops when the button is pressed again, and can be begun anew", async () => {
      await fill();
      const page = await open();
      await page.route("**/sha2.js", () => undefined);
      await page.click(".key");
      await page.click(".key:has-text('Short calculation, 0 % · stop')");
      await page.waitForSelector(".key[aria-disabled=false]:has-text('Get a Redis')");
      assert.equal(await page.isVisible("[data-problem]"), false);
      await page.unroute("**/sha2.js");
      await getInstance(page);
    });

    it("tells a browser without JavaScript what it takes", async () => {
      await fill();
      const page = await open({ javaScriptEnabled: false });
      await page.click(".key");
      assert.match(await textOf(page, "[data-problem]"), /A proof of work is needed.*by itself if JavaScript is on/s);
    });
  });
});
