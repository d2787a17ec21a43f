import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Redis } from "ioredis";
import type { Page } from "playwright-core";
import type { EventActor, FleetEvent } from "../../apps/core/events/event.ts";
import { seriousViolations } from "./chromium.ts";
import { DESKTOP, PHONE, useDashboard } from "./dashboard-bed.ts";

describe("the dashboard's lists", () => {
  const dashboard = useDashboard();

  it("finds events by host, instance and kind, follows them live, and goes back in time", async () => {
    const now = new Date();
    for (let index = 0; index < 130; index++)
      await dashboard.service.store.events.add(
        {
          actor: "scale",
          host: `gar-${index}`,
          reason: `of number ${index}`,
          ...(index % 2
            ? ({ kind: "order", data: { size: "small" } } as const)
            : ({ kind: "join", data: { secondsAfterOrder: 3 } } as const)),
        },
        now,
      );
    await dashboard.service.store.events.add(
      { actor: "scale", kind: "hold", host: "gar-7", instance: "0123456789abcdef", reason: "waits", alarm: true },
      now,
    );
    const page = await dashboard.logIn();
    await page.waitForSelector(".event[data-alarm]:has-text('waits')");
    await page.click("[data-more-events]");
    await page.waitForSelector(".event-reason:text-is('of number 3')");
    await page.fill("[data-event-filters] [name=host]", "gar-7");
    await page.waitForSelector(".event-reason:text-is('of number 3')", { state: "detached" });
    assert.deepEqual(await page.locator("[data-events] .event-reason").allTextContents(), ["waits", "of number 7"]);
    await dashboard.service.store.events.add(
      { actor: "scale", kind: "drain", host: "gar-7", reason: "told live" },
      now,
    );
    await dashboard.service.store.events.add(
      { actor: "scale", kind: "drain", host: "gar-8", reason: "of another" },
      now,
    );
    await page.waitForSelector(".event-reason:text-is('told live')");
    assert.equal(await page.locator(".event-reason:text-is('of another')").count(), 0);
    await page.fill("[data-event-filters] [name=kind]", "hold");
    await page.waitForSelector(".event-reason:text-is('told live')", { state: "detached" });
    await page.fill("[data-event-filters] [name=kind]", "holding");
    await page.waitForSelector("[data-events-empty]:has-text('No event matches.')");
    await page.fill("[data-event-filters] [name=kind]", "hold");
    await page.waitForSelector(".event-reason:text-is('waits')");
    await page.fill("[data-event-filters] [name=host]", "nobody");
    await page.waitForSelector("[data-events-empty]:has-text('No event matches.')");
    await dashboard.database.query("DELETE FROM events");
  });

  it("shows a current alarm, however old its row; two with one text once, and not after they end", async () => {
    const alarm = (actor: EventActor, host: string | undefined, at: Date) =>
      dashboard.service.store.events.add({ actor, kind: "hold", host, reason: "cannot go on", alarm: true }, at);
    const told = (page: Page) => page.locator("[data-notes] li:has-text('cannot go on')");
    try {
      const hourAgo = new Date(Date.now() - 3_600_000);
      await alarm("scale", "gar-old", hourAgo);
      for (let index = 0; index < 130; index++)
        await dashboard.service.store.events.add(
          {
            actor: "scale",
            kind: "join",
            host: `gar-${index}`,
            reason: `of number ${index}`,
            data: { secondsAfterOrder: 3 },
          },
          new Date(),
        );
      const page = await dashboard.logIn();
      await page.click("[data-more-events]");
      const line = page.locator(".event:has-text('gar-old')");
      const before = await line.locator("time").textContent();
      assert.equal(await told(page).count(), 0, "it was said an hour ago");
      await alarm("scale", "gar-old", new Date());
      await page.waitForSelector("[data-notes] li:has-text('gar-old: cannot go on')");
      await line.locator(".event-times:text-is('× 2')").waitFor();
      assert.notEqual(await line.locator("time").textContent(), before, "the line shows when it was said last");

      for (const actor of ["scale", "reap"] as const) await alarm(actor, undefined, new Date());
      await page.waitForSelector("[data-notes] li:text-is('cannot go on')");
      await page.locator(".event[data-actor=reap] .event-reason:text-is('cannot go on')").waitFor();
      assert.equal(await told(page).count(), 2);
      await dashboard.database.query("DELETE FROM events");
      await page.waitForSelector(".verdict[data-level=well]");
      assert.equal(await told(page).count(), 0);
    } finally {
      await dashboard.database.query("DELETE FROM events");
    }
  });

  it("sorts on a phone as well, where its head does not show", async () => {
    const first = await dashboard.handOut();
    const second = await dashboard.handOut();
    const page = await dashboard.logIn({ viewport: PHONE });
    const ids = () =>
      page.evaluate("[...document.querySelectorAll('[data-instances] tr')].map((row) => row.dataset.id)");
    await page.waitForSelector(`tr:first-child[data-id="${second.id}"]`);
    await page.selectOption("[data-search] [name=order]", "oldest first");
    await page.waitForSelector(`tr:first-child[data-id="${first.id}"]`);
    assert.deepEqual(await ids(), [first.id, second.id]);
    await page.focus("[data-search] [name=order]");
    await page.keyboard.press("Tab");
    assert.equal(
      await page.evaluate("document.activeElement.textContent"),
      first.id,
      "no button that nobody sees is in between",
    );
    const smallest = await page.evaluate<number>(
      `Math.min(...[...document.querySelectorAll("input, select")].map((each) => parseFloat(getComputedStyle(each).fontSize)))`,
    );
    assert.ok(smallest >= 16, `${smallest} px: a phone zooms in on smaller fields`);
    await page.setViewportSize(DESKTOP);
    assert.equal(await page.getAttribute("th[data-order=created]", "aria-sort"), "ascending");
    await page.click("[data-order=expires] button");
    assert.equal(await page.inputValue("[data-search] [name=order]"), "expires descending");
  });

  it("searches, sorts and pages instances", async () => {
    const [host] = (await dashboard.database.query("SELECT id FROM hosts WHERE name = 'host-b'"))[0] as {
      id: number;
    }[];
    await dashboard.database.query(
      `INSERT INTO instances
         (id, state, host_id, port, address, token_hash,
          created_at, handed_out_at, expires_at, latest_end, ended_at, end_cause)
       WITH RECURSIVE n AS (SELECT 100 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 219)
       SELECT CONCAT('old0000000000', i), 'ended', ?, 20000, CONCAT('203.0.113.', i), UNHEX(SHA2(i, 256)),
              UTC_TIMESTAMP() - INTERVAL i MINUTE, UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP(),
              'expired' FROM n`,
      [host?.id],
    );
    const page = await dashboard.logIn();
    const first = () => page.getAttribute("[data-instances] tr:first-child", "data-id");
    await page.waitForSelector("[data-instances-empty]:has-text('Nobody holds')");
    await page.fill("[data-search] [name=text]", "203.0.113.");
    await page.waitForSelector("[data-instances-empty]:has-text('No instance matches.')");
    await page.selectOption("[data-search] [name=state]", "ended");
    await page.waitForSelector("[data-instances-count]:text-is('1–50 of 120')");
    assert.equal(await first(), "old0000000000100");
    await page.click("[data-page=next]");
    await page.waitForSelector("[data-instances-count]:text-is('51–100 of 120')");
    assert.equal(await first(), "old0000000000150");
    await page.click("[data-page=next]");
    await page.waitForSelector("[data-instances-count]:text-is('101–120 of 120')");
    assert.equal(await page.locator("[data-page=next]").isDisabled(), true);
    await page.click("[data-page=before]");
    await page.waitForSelector("[data-instances-count]:text-is('51–100 of 120')");
    await page.click("[data-order=address] button");
    await page.waitForSelector("[data-instances-count]:text-is('1–50 of 120')");
    assert.equal(await first(), "old0000000000219");
    await page.click("[data-order=address] button");
    await page.waitForSelector("tr:first-child[data-id=old0000000000100]");
    await page.fill("[data-search] [name=text]", "old0000000000123");
    await page.waitForSelector("[data-instances-count]:text-is('1–1 of 1')");
    await dashboard.database.query("DELETE FROM instances WHERE id LIKE 'old%'");
  });

  it("takes strangers' words for words, wherever they stand", async () => {
    const markup = (where: string) =>
      `<img src=x onerror="window.hurt='${where}'"><script>window.hurt='${where}'</script>`;
    const redis = new Redis(dashboard.service.services.redisUrl);
    await dashboard.service.store.events.add(
      {
        actor: "scale",
        kind: "<b>kind</b>",
        host: "<b>host</b>",
        instance: "<b>inst</b>",
        reason: markup("reason"),
        alarm: true,
      } as unknown as FleetEvent,
      new Date(),
    );
    await dashboard.service.store.blocks.add(
      { address: "203.0.113.5", reason: markup("block"), until: null, by: null },
      new Date(),
    );
    await dashboard.service.store.runs.begin("health", new Date());
    await dashboard.service.store.runs.finish("health", new Date(), markup("fault"));
    await dashboard.database.query(
      `INSERT INTO hosts (name, engine_url, public_host, check_host, bind_address, capacity, base_port, created_at)
       VALUES ('<u>evil</u>', 'https://10.0.0.9:2376', ?, '10.0.0.9', '0.0.0.0', 2, 20000, UTC_TIMESTAMP(3))`,
      [markup("address")],
    );
    await redis.set("host:<u>evil</u>", JSON.stringify({ name: markup("heartbeat") }), "EX", 60);
    await dashboard.database.query(
      `INSERT INTO instances (id, state, host_id, port, address, token_hash, created_at, expires_at, latest_end)
       SELECT '<s>0123456789</s', 'starting', id, 20000, '<em>holder</em>', UNHEX(SHA2('x', 256)), UTC_TIMESTAMP(3),
              UTC_TIMESTAMP(3) + INTERVAL 1 HOUR, UTC_TIMESTAMP(3) + INTERVAL 1 HOUR
       FROM hosts WHERE name = '<u>evil</u>'`,
    );
    try {
      const page = await dashboard.logIn();
      await page.waitForSelector(".tile-name:text-is('<u>evil</u>')");
      await page.waitForSelector(".event-reason:has-text('onerror')");
      await page.waitForSelector("[data-blocks] span:has-text('onerror')");
      await page.waitForSelector(".job:has-text('health'):has-text('onerror')");
      await page.waitForSelector("td:text-is('<em>holder</em>')");
      await page.waitForSelector(".verdict li:has-text('<u>evil</u>')");
      await page.click(".tile:has-text('<u>evil</u>')");
      await page.waitForSelector("dialog h2:text-is('<u>evil</u>')");
      await page.waitForSelector("dialog dd:has-text('onerror')");
      assert.equal(await page.evaluate("window.hurt"), undefined);
      assert.equal(
        await page.locator("main img, dialog img, main b, dialog b, main u, dialog u, main em, main script").count(),
        0,
      );
      await page.goto(`${dashboard.service.origin}/ops#host/${encodeURIComponent(markup("hash"))}`);
      await page.reload();
      await page.waitForSelector("dialog[open] h2");
      assert.equal(await page.evaluate("window.hurt"), undefined);
    } finally {
      await redis.del("host:<u>evil</u>");
      redis.disconnect();
      await dashboard.database.query("DELETE FROM instances WHERE address = '<em>holder</em>'");
      await dashboard.database.query("UPDATE hosts SET state = 'gone' WHERE name = '<u>evil</u>'");
      await dashboard.database.query("DELETE FROM job_runs WHERE job = 'health'");
      await dashboard.database.query("DELETE FROM events");
    }
  });

  it("shows a service as it is declared, with its state, and nothing of an edge where there is none", async () => {
    const page = await dashboard.logIn();
    assert.equal(await page.isVisible("#edge"), false);
    assert.equal(await page.isVisible("[data-edge-link]"), false);
    await declare();
    const line = await page.waitForSelector("[data-edge-services] .edge-line");
    assert.match(await line.innerText(), /^web\s+⊖?\s*not carried\s+tcp\s7443/);
    assert.equal(await page.isVisible("[data-edge-gateways]"), false);
    await page.waitForSelector("text=Service web: no gateway carries it");
    await page.waitForSelector(".event:has-text('add-service')");
    await dashboard.operate("/services/web", "DELETE");
    await page.waitForSelector("#edge", { state: "hidden" });
  });

  async function declare(): Promise<void> {
    const answer = await dashboard.operate("/services", "POST", { name: "web", port: 7443, protocol: "tcp" });
    assert.equal(answer.status, 201);
  }

  for (const [name, viewport] of [
    ["a desk", DESKTOP],
    ["a phone", PHONE],
  ] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      it(`has no serious barrier on ${name}, ${colorScheme}, and nothing beside the screen`, async () => {
        const { id } = await dashboard.handOut();
        await declare();
        const page = await dashboard.open({ viewport, colorScheme });
        assert.deepEqual(await seriousViolations(page), [], "before log-in");
        await page.fill("#token", dashboard.service.opsToken);
        await page.click("button:has-text('Log in')");
        await page.waitForSelector(`tr[data-id="${id}"]`);
        await page.waitForSelector(".plot-curve", { state: "attached" });
        await page.waitForSelector("#edge .edge-line");
        assert.deepEqual(await seriousViolations(page), [], "inside");
        assert.equal(await page.evaluate("document.documentElement.scrollWidth"), viewport.width);
        await page.click("[data-host=host-a]");
        await page.waitForSelector("dialog .short li button");
        assert.deepEqual(await seriousViolations(page), [], "with a host open");
        await page.click("dialog button:text-is('Drain')");
        assert.deepEqual(await seriousViolations(page), [], "asked");
      });
    }
  }
});
