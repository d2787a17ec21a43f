import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { startTestLab, type TestLab } from "../bed/lab.ts";
import { until } from "../bed/until.ts";
import { launchChromium, visit, type Visit } from "./chromium.ts";

/** Droplets are ordered, booted and destroyed for real. */
const PATIENCE_MS = 60_000;

/** The dashboard over a whole fleet: what the operator does there is done to droplets. */
describe("the dashboard of a fleet", () => {
  let lab: TestLab;
  let browser: Browser;
  let visited: Visit;
  let page: Page;
  before(async () => {
    lab = await startTestLab({ env: { HOST_CAPACITY: "2", ORDERS_PER_RUN: "1", DROPLET_CAP: "3" } });
    browser = await launchChromium();
    visited = await visit(browser, `${lab.origin}/ops`, { viewport: { width: 1440, height: 900 } });
    page = visited.page;
    page.setDefaultTimeout(PATIENCE_MS);
    await page.fill("#token", lab.opsToken);
    await page.click("button:has-text('Log in')");
  });
  after(async () => {
    try {
      await browser.close();
    } finally {
      await lab.stop();
    }
  });

  const droplets = () => lab.cloud.droplets().map(({ name }) => name);
  const tile = (name: string) => `[data-host="${name}"]`;
  const standby = async () =>
    (await page.waitForSelector(".tile:has([data-standby]:visible)"))
      .getAttribute("data-host")
      .then((name) => name ?? "");
  const sure = () => page.click("dialog[data-ask] button[value=yes]");

  it("shows a droplet from its order over its boot to a standby, with its cost", async () => {
    const name = await standby();
    assert.deepEqual(droplets(), [name]);
    await page.waitForSelector(".event-kind:text-is('order')");
    await page.waitForSelector(".event-kind:text-is('join')");
    assert.match((await page.textContent(`${tile(name)} [data-facts]`)) ?? "", /fra1 · \$0\.0/);
    await page.waitForSelector(".verdict[data-level=well]");
  });

  it("drains a standby: its droplet goes, and another one comes", async () => {
    const name = await standby();
    await page.click(tile(name));
    await page.click("dialog button:text-is('Drain')");
    await sure();
    await until("its droplet is gone", () => !droplets().includes(name), PATIENCE_MS);
    await page.waitForSelector(tile(name), { state: "detached" });
    await page.keyboard.press("Escape");
    assert.notEqual(await standby(), name);
  });

  it("destroys a host with a lease when its name is typed: the droplet goes, the lease is lost", async () => {
    const answer = await fetch(`${lab.origin}/instances`, { method: "POST", signal: AbortSignal.timeout(PATIENCE_MS) });
    const { id } = (await answer.json()) as { id: string };
    const name = (await lab.store.leases.find(id))?.hostName ?? assert.fail("its host");
    await page.waitForSelector(`${tile(name)} [data-cell="leased"]`);
    await page.click(tile(name));
    await page.click("dialog button:text-is('Destroy')");
    await page.fill("#ask-field", name);
    await sure();
    await until("its droplet is gone", () => !droplets().includes(name), PATIENCE_MS);
    await page.waitForSelector(tile(name), { state: "detached" });
    assert.equal((await lab.store.leases.find(id))?.endCause, "lost");
    await page.keyboard.press("Escape");
  });

  it("pauses the scaling: no standby is ordered until it goes on", async () => {
    await standby();
    await page.click("[data-switch=scaling]");
    await sure();
    await page.waitForSelector(".event-reason:text-is('paused by the operator')");
    const before = droplets();
    const answer = await fetch(`${lab.origin}/instances`, { method: "POST", signal: AbortSignal.timeout(PATIENCE_MS) });
    assert.equal(answer.status, 201);
    await page.waitForSelector(".verdict li:has-text('No standby is ready.')");
    // Other parts hold something back, too, and any of them may have been the last.
    const steps = async () =>
      (await lab.store.events.list({ kind: "hold" }, 200))
        .filter(({ reason }) => reason === "paused by the operator")
        .reduce((sum, { times }) => sum + times, 0);
    const begun = await steps();
    await until("three more looks have ordered nothing", async () => (await steps()) >= begun + 3, PATIENCE_MS);
    assert.deepEqual(droplets(), before);
    await page.click("[data-switch=scaling]");
    await until("another one is ordered", () => droplets().length > before.length, PATIENCE_MS);
    await standby();
    assert.deepEqual(visited.faults, []);
  });
});
