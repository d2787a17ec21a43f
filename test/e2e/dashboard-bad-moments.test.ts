import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Page } from "playwright-core";
import { until } from "../bed/until.ts";
import { takeNews, useDashboard } from "./dashboard-bed.ts";

/** The dashboard when the service, the network or its reader's fingers are not at their best. */
describe("the dashboard in bad moments", () => {
  const dashboard = useDashboard();
  const away = { status: 503, json: { title: "MySQL is away", detail: "Try again in a moment." } };
  const row = (id: string) => `tr[data-id="${id}"]`;
  /** Has the page believe that its tab is hidden, or seen again. */
  const hide = (page: Page, hidden: boolean) =>
    page.evaluate(
      `Object.defineProperty(document, "hidden", { configurable: true, value: ${hidden} });
       document.dispatchEvent(new Event("visibilitychange"))`,
    );

  it("sends the token in no address, also before its scripts have come", async () => {
    const page = await dashboard.open({ javaScriptEnabled: false });
    assert.equal(await page.locator("[data-log-in] button").isDisabled(), true, "nothing is sent by a browser alone");
    await page.fill("#token", dashboard.service.opsToken);
    const [answer] = await Promise.all([
      page.waitForResponse(() => true),
      page.evaluate("document.querySelector('[data-log-in]').submit()"),
    ]);
    await page.waitForLoadState();
    for (const url of [answer.url(), page.url()]) assert.ok(!url.includes(dashboard.service.opsToken), url);
    assert.ok(!dashboard.service.log().includes(dashboard.service.opsToken));
  });

  it("stays, and says why, when logging out has not worked", async () => {
    const page = await dashboard.logIn();
    await page.route("**/ops/api/session", (route) =>
      route.request().method() === "DELETE" ? route.fulfill(away) : route.continue(),
    );
    await page.click("[data-log-out]");
    await page.waitForSelector("[data-said] p:has-text('You may still be logged in. MySQL is away.')");
    assert.equal(await page.locator("[data-log-out]:visible").count(), 1);
    await page.unroute("**/ops/api/session");
    await page.click("[data-log-out]");
    await page.waitForSelector("#token:visible");
    assert.equal(await page.textContent("[data-log-in-why]"), "You are logged out.");
  });

  it("says on a reload that MySQL does not answer, and goes on by itself when it does", async () => {
    const page = await dashboard.logIn();
    await dashboard.service.services.killMysql();
    try {
      await page.reload();
      await page.waitForSelector("[data-log-in-why]:has-text('MySQL does not answer')");
      assert.equal(await page.locator("#token:visible").count(), 0, "nobody is asked for a token in vain");
    } finally {
      await dashboard.service.services.startMysql();
    }
    await page.waitForSelector("[data-host=host-a]");
  });

  it("asks for the token after such a reload when the session is over meanwhile", async () => {
    const page = await dashboard.logIn();
    await page.route("**/ops", async (route) => {
      const answer = await route.fetch();
      await route.fulfill({
        response: answer,
        body: (await answer.text()).replace('data-session="closed"', 'data-session="unknown"'),
      });
    });
    await dashboard.database.query("DELETE FROM ops_sessions");
    await page.reload();
    await page.waitForSelector("#token:visible");
    assert.match((await page.textContent("[data-log-in-why]")) ?? "", /session is over/);
  });

  it("says once that it is stale, and beside that how old it is; in its panel, too", async () => {
    const page = await dashboard.logIn();
    await page.click("[data-host=host-a]");
    await dashboard.service.endApi("SIGKILL");
    try {
      await page.waitForSelector(
        "dialog [role=alert]:has-text('The connection is lost. This page shows the state at')",
      );
      await page.evaluate(
        `window.told = 0;
         for (const alert of document.querySelectorAll('[data-stale] [role=alert]')) {
           const changes = { childList: true, characterData: true, subtree: true };
           new MutationObserver(() => window.told++).observe(alert, changes);
         }`,
      );
      const age = await page.textContent("dialog [data-stale-age]");
      await until(
        "the panel says another age",
        async () => (await page.textContent("dialog [data-stale-age]")) !== age,
      );
      const next = await page.textContent("[data-stale-age]");
      await until("the page does, too", async () => (await page.textContent("[data-stale-age]")) !== next);
      assert.equal(await page.evaluate("window.told"), 0, "the alert is the same still");
    } finally {
      await dashboard.service.startApi();
    }
    await page.waitForSelector("dialog [data-stale]", { state: "hidden" });
  });

  it("shows in its list what has happened while nobody looked", async () => {
    const page = await dashboard.logIn();
    await page.waitForSelector("[data-instances-empty]:visible");
    await hide(page, true);
    const { id } = await dashboard.handOut();
    await page.waitForSelector('[data-host="host-a"] [data-cell="leased"]');
    await takeNews(page, 4);
    assert.equal(await page.locator(row(id)).count(), 0, "nothing is asked for while nobody looks");
    await hide(page, false);
    await page.waitForSelector(row(id), { timeout: 5_000 });
  });

  it("asks for its list again when that has not worked", async () => {
    const page = await dashboard.logIn();
    await page.waitForSelector("[data-instances-empty]:visible");
    await page.route("**/ops/api/instances?*", (route) => route.fulfill(away));
    const { id } = await dashboard.handOut();
    await page.waitForSelector("[data-instances-count]:text-is('Not up to date: mysql is away.')");
    await page.unroute("**/ops/api/instances?*");
    await page.waitForSelector(row(id));
    await page.waitForSelector("[data-instances-count]:text-is('1–1 of 1')");
  });

  it("draws its list also when that takes longer than the fleet stands still", async () => {
    const page = await dashboard.logIn();
    await page.waitForSelector("[data-instances-empty]:visible");
    await page.route(
      "**/ops/api/instances?*",
      (route) => void setTimeout(() => void route.continue().catch(() => undefined), 2_500),
    );
    const { id } = await dashboard.handOut();
    const still = new AbortController();
    const moving = (async () => {
      while (!still.signal.aborted) {
        const other = await dashboard.handOut();
        await dashboard.operate(`/instances/${other.id}`, "DELETE");
      }
    })();
    try {
      await page.waitForSelector(row(id));
    } finally {
      still.abort();
      await moving;
    }
  });

  it("shows within a quarter of a minute what moves no slot: an end that was changed elsewhere", async () => {
    const { id } = await dashboard.handOut();
    const page = await dashboard.logIn();
    await page.waitForSelector(row(id));
    await dashboard.operate(`/instances/${id}`, "PATCH", { ttlSeconds: 1800 });
    await page.waitForSelector(`${row(id)} [data-ends]:has-text("in 29 min")`, { timeout: 18_000 });
  });

  it("turns one page when Next is pressed twice, and back when all of a page is gone", async () => {
    await dashboard.database.query(
      `INSERT INTO instances
         (id, state, host_id, port, address, token_hash,
          created_at, handed_out_at, expires_at, latest_end, ended_at, end_cause)
       WITH RECURSIVE n AS (SELECT 100 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 219)
       SELECT CONCAT('old0000000000', i), 'ended', (SELECT id FROM hosts WHERE name = 'host-b'), 20000,
              '203.0.113.7', UNHEX(SHA2(i, 256)),
              UTC_TIMESTAMP() - INTERVAL i MINUTE, UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(),
              'expired' FROM n`,
    );
    try {
      const page = await dashboard.logIn();
      await page.fill("[data-search] [name=text]", "203.0.113.7");
      await page.selectOption("[data-search] [name=state]", "ended");
      await page.waitForSelector("[data-instances-count]:text-is('1–50 of 120')");
      // None is answered before both are asked for.
      const askedTwice = Promise.withResolvers<undefined>();
      let askings = 0;
      await page.route("**/ops/api/instances?*after=*", async (route) => {
        if (++askings === 2) askedTwice.resolve(undefined);
        await askedTwice.promise;
        await route.continue();
      });
      await page.dblclick("[data-page=next]");
      await page.waitForSelector("[data-instances-count]:text-is('51–100 of 120')");
      await page.unroute("**/ops/api/instances?*after=*");
      await page.click("[data-page=next]");
      await page.waitForSelector("[data-instances-count]:text-is('101–120 of 120')");
      assert.equal(await page.locator("[data-instances] tr").count(), 20);
      await dashboard.database.query("DELETE FROM instances WHERE id >= 'old0000000000200'");
      await page.waitForSelector("[data-instances-count]:text-is('51–100 of 100')", { timeout: 18_000 });
      await page.click("[data-page=before]");
      await page.waitForSelector("[data-instances-count]:text-is('1–50 of 100')");
      await page.click("[data-page=next]");
      await page.waitForSelector("[data-instances-count]:text-is('51–100 of 100')");
      await page.dblclick("[data-page=before]");
      await page.waitForSelector("[data-instances-count]:text-is('1–50 of 100')");
    } finally {
      await dashboard.database.query("DELETE FROM instances WHERE id LIKE 'old%'");
    }
  });

  it("goes back in its events once when Older is pressed twice, and mixes nothing into another search", async () => {
    const now = new Date();
    await dashboard.database.query("DELETE FROM events");
    try {
      for (let index = 0; index < 130; index++)
        await dashboard.service.store.events.add(
          {
            actor: "scale",
            kind: "order",
            host: `gar-${index}`,
            reason: `of number ${index}`,
            data: { size: "small" },
          },
          now,
        );
      const page = await dashboard.logIn();
      const reasons = () => page.locator("[data-events] .event-reason").allTextContents();
      const askings: string[] = [];
      page.on("request", (request) => request.url().includes("before=") && askings.push(request.url()));
      await page.dblclick("[data-more-events]");
      await page.waitForSelector(".event-reason:text-is('of number 0')");
      assert.equal(askings.length, 1);
      assert.equal((await reasons()).length, 130);

      await page.reload();
      await page.waitForSelector("[data-more-events]:visible");
      const asked = Promise.withResolvers<undefined>();
      const released = Promise.withResolvers<undefined>();
      await page.route("**/ops/api/events?*before=*", async (route) => {
        asked.resolve(undefined);
        await released.promise;
        await route.continue();
      });
      await page.click("[data-more-events]");
      await asked.promise;
      await page.fill("[data-event-filters] [name=host]", "gar-7");
      await page.waitForSelector(".event-reason:text-is('of number 129')", { state: "detached" });
      const late = page.waitForResponse((response) => response.url().includes("before="));
      released.resolve(undefined);
      await (await late).finished();
      await takeNews(page, 1);
      assert.deepEqual(await reasons(), ["of number 7"]);
    } finally {
      await dashboard.database.query("DELETE FROM events");
    }
  });
});
