import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { Redis } from "ioredis";
import type { Page } from "playwright-core";
import { until } from "../bed/until.ts";
import { seriousViolations } from "./chromium.ts";
import { standing, takeNews, useDashboard } from "./dashboard-bed.ts";

describe("the dashboard", () => {
  const dashboard = useDashboard();
  const said = (page: Page, words: string) => page.waitForSelector(`[data-said] p:has-text("${words}")`);
  const sure = (page: Page) => page.click("dialog[data-ask] button[value=yes]");
  const stateOf = async (name: string) =>
    ((await (await dashboard.operate("/hosts", "GET")).json()) as { name: string; state: string }[]).find(
      (host) => host.name === name,
    )?.state;

  it("shows nothing without the operator's token, and all with it; logging out forgets it again", async () => {
    await dashboard.handOut();
    const page = await dashboard.open();
    await page.fill("#token", "a wrong token that is long");
    await page.click("button:has-text('Log in')");
    assert.match((await page.textContent("[data-log-in-problem]:visible")) ?? "", /Wrong token/);
    assert.equal(await page.locator("[data-inside]:visible").count(), 0);
    assert.ok(!(await page.content()).includes("host-a"));
    await page.fill("#token", dashboard.service.opsToken);
    await page.click("button:has-text('Log in')");
    await standing(page, "host-a", "open");
    assert.deepEqual(
      (await page.context().cookies(`${dashboard.service.origin}/ops`)).map(({ httpOnly, sameSite, path }) => [
        httpOnly,
        sameSite,
        path,
      ]),
      [[true, "Strict", "/ops"]],
    );
    assert.equal(await page.evaluate("document.cookie"), "");
    await page.reload();
    await standing(page, "host-a", "open");

    await page.click("[data-log-out]");
    await page.waitForSelector("#token:visible");
    assert.equal(await page.locator("[data-inside]:visible").count(), 0);
    for (const secret of ["host-a", "127.0.0.1"])
      assert.ok(!(await page.content()).includes(secret), `${secret} is forgotten`);
    await page.reload();
    await page.waitForSelector("#token:visible");
  });

  it("shows each slot as it is taken and freed, without moving anything else", async () => {
    const page = await dashboard.logIn();
    await page.evaluate("document.querySelector('[data-host=host-b]').kept = true");
    const { id } = await dashboard.handOut();
    await page.waitForSelector('[data-host="host-a"] [data-cell="leased"]');
    await page.waitForSelector(`tr[data-id="${id}"] [data-state=running]`);
    assert.equal(await page.locator('[data-host="host-a"] .cells > i').count(), 4);
    await page.waitForSelector('[data-host="host-b"] [data-standby]:visible');
    await dashboard.operate(`/instances/${id}`, "DELETE");
    await page.waitForSelector('[data-host="host-a"] [data-cell="leased"]', { state: "detached" });
    await page.waitForSelector(`tr[data-id="${id}"]`, { state: "detached" });
    assert.equal(
      await page.evaluate("document.querySelector('[data-host=host-b]').kept"),
      true,
      "the tile is the same element still",
    );
  });

  it("cordons a host in one browser, as another one sees at once; hand-outs avoid it until it is opened", async () => {
    const [one, two] = await Promise.all([dashboard.logIn(), dashboard.logIn()]);
    await one.click("[data-host=host-a]");
    await one.click("dialog button:text-is('Cordon')");
    await said(one, "host-a is cordoned");
    for (const page of [one, two]) await standing(page, "host-a", "cordoned");
    await two.waitForSelector(".event-kind:text-is('cordon')");
    const { id } = await dashboard.handOut();
    await two.waitForSelector(`tr[data-id="${id}"] td:text-is("host-b")`);
    await one.click("dialog button:text-is('Uncordon')");
    await standing(two, "host-a", "open");
  });

  it("drains a host only after asking", async () => {
    const page = await dashboard.logIn();
    await page.click("[data-host=host-a]");
    await page.click("dialog button:text-is('Drain')");
    await page.click("dialog[data-ask] button:text-is('Cancel')");
    assert.equal(await stateOf("host-a"), "active");
    await page.click("dialog button:text-is('Drain')");
    await sure(page);
    await standing(page, "host-a", "draining");
    assert.equal(await stateOf("host-a"), "draining");
  });

  it("destroys a droplet with leases only when its name is typed, by a request for the scaling's leader", async () => {
    await dashboard.database.query(
      `INSERT INTO droplets
         (name, state, droplet_id, region, size, hourly_price, ordered_at, joined_at, token_hash)
       VALUES ('host-b', 'joined', 77, 'fra1', 's-1vcpu-2gb', 0.01786,
               UTC_TIMESTAMP() - INTERVAL 2 HOUR, UTC_TIMESTAMP() - INTERVAL 1 HOUR, ?)`,
      [randomBytes(32)],
    );
    try {
      await dashboard.operate("/hosts/host-a", "PATCH", { state: "cordoned" });
      await dashboard.handOut();
      const page = await dashboard.logIn();
      await page.waitForSelector('[data-host="host-b"] [data-cell="leased"]');
      assert.match((await page.textContent('[data-host="host-b"] [data-facts]')) ?? "", /fra1 · \$0\.03\d$/);
      await page.click("[data-host=host-b]");
      await page.click("dialog button:text-is('Destroy')");
      const yes = page.locator("dialog[data-ask] button[value=yes]");
      await yes.click();
      await page.fill("#ask-field", "host-a");
      await yes.click();
      await page.waitForSelector("dialog[open] [role=alert]:has-text('Type host-b exactly')");
      assert.deepEqual([...(await dashboard.service.store.destroyRequests.list())], []);
      await page.fill("#ask-field", "host-b");
      await yes.click();
      await said(page, "to be destroyed");
      await standing(page, "host-b", "to be destroyed");
      assert.deepEqual([...(await dashboard.service.store.destroyRequests.list())], [["host-b", "lost"]]);
    } finally {
      await dashboard.database.query("DELETE FROM doomed_hosts");
      await dashboard.database.query("DELETE FROM droplets");
    }
  });

  it("extends an instance and ends it for good, and shows its life", async () => {
    const handout = await dashboard.handOut();
    const page = await dashboard.logIn();
    await page.click(`tr[data-id="${handout.id}"]`);
    await page.click("dialog button:text-is('Change its end')");
    for (const [answer, fault] of [
      ["soon", "Write a number of hours"],
      ["30", "at the latest"],
      ["0.01", "at the earliest"],
    ] as const) {
      await page.fill("#ask-field", answer);
      await page.keyboard.press("Enter");
      await page.waitForSelector(`dialog[data-ask][open] [role=alert]:has-text("${fault}")`);
      assert.equal(await page.evaluate("document.activeElement.id"), "ask-field", "it can be written anew");
    }
    await page.fill("#ask-field", "20");
    await sure(page);
    await said(page, "ends in 20 h");
    await page.waitForSelector(".panel-state:has-text('ends in 19 h 59 min')");
    await page.click("dialog button:text-is('End')");
    await sure(page);
    await said(page, `${handout.id} has ended`);
    await page.waitForSelector(".panel-state:has-text('ended')");
    const told = await page.locator(".timeline .event-kind").allTextContents();
    assert.deepEqual(
      told.filter((kind) => kind !== "lease"),
      ["extend", "end"],
    );
    assert.match((await page.textContent(".timeline")) ?? "", /asked for.*handed out after .*removed: operator/s);
    await page.click("dialog [data-find]");
    await page.waitForSelector(`tr[data-id="${handout.id}"] td:has-text("operator")`);
    const redis = new Redis(handout.url, { lazyConnect: true, retryStrategy: () => null });
    redis.on("error", () => undefined);
    await assert.rejects(redis.connect(), "its container is gone");
    await page.click(`tr[data-id="${handout.id}"]`);
    await page.reload();
    await page.waitForSelector(`dialog[open] h2:text-is("${handout.id}")`);
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog[data-panel]:not([open])", { state: "attached" });
    assert.equal(new URL(page.url()).hash, "");
    await page.waitForSelector(`tr[data-id="${handout.id}"]`, { state: "detached" });
  });

  it("blocks an address and lets it in again", async () => {
    const page = await dashboard.logIn();
    await page.fill("[data-block] [name=address]", "127.0.0.1");
    await page.fill("[data-block] [name=reason]", "a test of ours");
    await page.click("[data-block] button");
    await sure(page);
    await said(page, "127.0.0.1 is blocked.");
    await page.waitForSelector("[data-blocks] li:has-text('a test of ours')");
    assert.equal((await fetch(`${dashboard.service.origin}/instances`, { method: "POST" })).status, 403);
    await page.click("[data-unblock='127.0.0.1']");
    await page.waitForSelector("[data-blocks] li", { state: "detached" });
    await dashboard.handOut();
    await page.fill("[data-block] [name=address]", "127.0.0.1/24");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-block] [role=alert]:has-text('127.0.0.0/24')");
    assert.equal(await page.locator("dialog[open]").count(), 0, "nothing is asked before the address is right");
    assert.equal(await page.evaluate("document.activeElement.name"), "address");
  });

  it("blocks a network and ends what its addresses hold, after saying how many that are", async () => {
    const held = [await dashboard.handOut(), await dashboard.handOut()];
    const page = await dashboard.logIn();
    await page.fill("[data-block] [name=address]", "127.0.0.0/8");
    await page.selectOption("[data-block] [name=days]", "7");
    await page.check("[data-block] [name=ends]");
    await page.click("[data-block] button");
    await page.waitForSelector("dialog[open] p:has-text('They hold 2 instances now (one address), which end at once')");
    await page.click("dialog[open] button:text-is('Block it and end 2 instances')");
    await said(page, "127.0.0.0/8 is blocked, 2 instances ended.");
    await page.waitForSelector("[data-blocks] li:has-text('until')");
    for (const { id } of held) await page.waitForSelector(`tr[data-id="${id}"]`, { state: "detached" });
  });

  it("shows an address that was blocked elsewhere, and that none is only once it knows", async () => {
    const page = await dashboard.open();
    await page.route("**/ops/api/blocks", (route) =>
      route.fulfill({ status: 503, json: { title: "MySQL is away", detail: "Try again." } }),
    );
    await dashboard.enter(page);
    await page.waitForSelector("[data-blocks-note]:text-is('Not up to date: mysql is away.')");
    await page.unroute("**/ops/api/blocks");
    await page.waitForSelector("[data-blocks-note]:text-is('No address is blocked.')");
    await dashboard.operate("/blocks", "POST", { address: "192.0.2.9", reason: "elsewhere" });
    await page.waitForSelector("[data-blocks] li:has-text('192.0.2.9')");
    await page.waitForSelector("[data-blocks-note]", { state: "hidden" });
    await dashboard.operate("/blocks?address=192.0.2.9", "DELETE");
    await page.waitForSelector("[data-blocks-note]:text-is('No address is blocked.')");
  });

  it("says how an act in its panel came out within that panel, where it can be read out and clicked away", async () => {
    const { id } = await dashboard.handOut();
    const page = await dashboard.logIn();
    await page.click("[data-host=host-a]");
    await page.click("dialog button:text-is('Cordon')");
    const toast = page.locator("dialog[open]").getByRole("status").getByText("host-a is cordoned");
    await toast.click();
    await toast.waitFor({ state: "detached" });
    assert.equal(await page.locator("dialog[data-panel][open]").count(), 1, "the panel stays");
    await page.click("dialog button:text-is('Uncordon')");
    await said(page, "takes instances again");
    await page.click(`dialog [data-name="${id}"]`);
    await page.waitForSelector(`dialog h2:text-is("${id}")`);
    assert.equal(
      await page.locator("[data-said] p:visible").count(),
      1,
      "it stays while the panel shows something else",
    );
    await page.keyboard.press("Escape");
    await page.locator("[data-said] p").click();
    await page.waitForSelector("[data-said] p", { state: "detached" });
  });

  it("keeps the focus in its panel while updates come, and moves it to the title of what is opened", async () => {
    const { id } = await dashboard.handOut();
    const page = await dashboard.logIn();
    const focused = () => page.evaluate("document.activeElement.outerHTML");
    await page.click("[data-host=host-a]");
    await page.locator(`dialog .short [data-name="${id}"]`).press("Enter");
    await page.waitForSelector(`dialog h2:text-is("${id}")`);
    assert.match(String(await focused()), new RegExp(`^<h2 .*${id}`));
    await page.waitForSelector(".timeline .to-come");
    await page.evaluate("document.querySelector('.timeline .to-come').kept = true");
    await page.focus("dialog [data-open=host]");
    await takeNews(page, 5);
    assert.match(String(await focused()), /^<button .*data-name="host-a"/);
    assert.equal(
      await page.evaluate("document.querySelector('.timeline .to-come').kept"),
      true,
      "also the timeline is the same still",
    );
    await page.goBack();
    await page.waitForSelector("dialog h2:text-is('host-a')");
    assert.match(String(await focused()), /^<h2 .*host-a/);
    await page.evaluate("document.querySelector('dialog dl dd').kept = true");
    await takeNews(page, 2);
    assert.equal(await page.evaluate("document.querySelector('dialog dl dd').kept"), true);
  });

  it("says that nothing is on a host, or happened to it, only while that is so", async () => {
    const page = await dashboard.logIn();
    await page.click("[data-host=host-a]");
    await page.waitForSelector("dialog h3:text-is('Instances') ~ .none:visible");
    const { id } = await dashboard.handOut();
    await page.waitForSelector(`dialog .short [data-name="${id}"]`);
    assert.equal(await page.locator("dialog .short + .none:visible").count(), 0);
    assert.equal(await page.locator("dialog .short li").count(), 1);
    await dashboard.operate(`/instances/${id}`, "DELETE");
    await page.waitForSelector("dialog .short + .none:visible");
  });

  it("keeps the keyboard's place after each act: on what was pressed, or on what took its place", async () => {
    await dashboard.operate("/blocks", "POST", { address: "192.0.2.1" });
    await dashboard.operate("/blocks", "POST", { address: "192.0.2.2" });
    const page = await dashboard.logIn();
    const focused = (part: string) =>
      until(`the focus is on ${part}`, async () =>
        String(await page.evaluate("document.activeElement.outerHTML")).includes(part),
      );
    await focused("data-headline");
    await page.locator("[data-unblock='192.0.2.2']").press("Enter");
    await focused('data-unblock="192.0.2.1"');
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-blocks] li", { state: "detached" });
    await focused('name="address"');
    await page.locator("[data-run=prune]").press("Enter");
    await said(page, "prune");
    await focused('data-run="prune"');
    await page.locator("[data-switch=handouts]").press("Enter");
    await page.keyboard.press("Escape");
    await focused('data-switch="handouts"');
    await page.locator("[data-host=host-a]").press("Enter");
    await page.locator("dialog button:text-is('Cordon')").press("Enter");
    await focused(">Uncordon<");
    await page.keyboard.press("Enter");
    await focused(">Cordon<");
    await page.keyboard.press("Escape");
    await focused('data-host="host-a"');
  });

  it("shows each operator what their role may do, and an admin who the operators are", async () => {
    const admin = await dashboard.logIn();
    await admin.fill("[data-new-operator] [name=name]", "Vera");
    await admin.keyboard.press("Enter");
    await admin.waitForSelector("[data-new-operator] [role=alert]:has-text('small letters')");
    await admin.fill("[data-new-operator] [name=name]", "vera");
    await admin.selectOption("[data-new-operator] [name=role]", "viewer");
    await admin.click("[data-new-operator] button");
    const token = (await admin.textContent("#new-token")) ?? "";
    assert.match(token, /^gar_op_/);
    await admin.click("dialog[open] button:text-is('I have copied it')");
    await admin.waitForSelector("[data-operators] li:has-text('vera'):has-text('never used')");
    await dashboard.handOut();
    const page = await dashboard.open();
    await page.fill("#token", token);
    await page.click("button:has-text('Log in')");
    await page.waitForSelector("[data-who]:text-is('vera, viewer')");
    await page.waitForSelector("[data-instances] td:text-is('hidden')");
    for (const hidden of ["[data-block]", "[data-run]", "#operators", "[data-blocks-note]"])
      assert.equal(await page.locator(`${hidden}:visible`).count(), 0, hidden);
    assert.equal(await page.getAttribute("[data-switch=handouts]", "aria-disabled"), "true");
    assert.equal(await page.locator(".why-not:visible").count(), 1);
    await page.click("[data-host=host-a]");
    await page.waitForSelector("dialog .acts:has-text('Acting needs the role operator')");
    assert.equal(await page.locator("dialog .acts button").count(), 0);
    assert.deepEqual(await seriousViolations(page), []);
    await admin.click("[data-operators] [data-act=revoke]");
    await sure(admin);
    await page.waitForSelector("#token:visible");
    await admin.waitForSelector("[data-operators] li:has-text('vera')", { state: "detached" });
    await admin.waitForSelector(".event:has-text('the token of vera was revoked'):has-text('by admin')");
  });

  it("leaves the focus on a host's tile when another one goes", async () => {
    await dashboard.database.query(
      `INSERT INTO hosts (name, engine_url, public_host, check_host, bind_address, capacity, base_port, created_at)
       VALUES ('aaa-first', 'https://10.0.0.9:2376', '10.0.0.9', '10.0.0.9', '0.0.0.0', 2, 20000, UTC_TIMESTAMP(3))`,
    );
    try {
      const page = await dashboard.logIn();
      await standing(page, "aaa-first", "silent");
      assert.equal(await page.locator(".tile").first().getAttribute("data-host"), "aaa-first");
      await page.focus("[data-host=host-b]");
      await dashboard.database.query("UPDATE hosts SET state = 'gone' WHERE name = 'aaa-first'");
      await page.waitForSelector("[data-host=aaa-first]", { state: "detached" });
      assert.equal(await page.evaluate("document.activeElement.dataset.host"), "host-b");
    } finally {
      await dashboard.database.query("UPDATE hosts SET state = 'gone' WHERE name = 'aaa-first'");
    }
  });

  it("names what a count is of: a minute, or longer in a longer view; and shows no droplets and no dollars where there are none", async () => {
    const page = await dashboard.logIn();
    await page.waitForSelector(".plot h3:has-text('Handed out and refused per minute')");
    assert.equal(await page.textContent("[data-figures-note]"), "", "nothing costs anything here");
    assert.equal(await page.locator(".plot h3:has-text('Droplets'):visible").count(), 0);
    assert.ok(!((await page.textContent("main.inside")) ?? "").includes("$"));
    await page.click("[data-span=day]");
    await page.waitForSelector(".plot h3:has-text('Ends by cause per 15 min')");
    assert.deepEqual(
      await page.locator("[data-span][aria-pressed=true]").allTextContents(),
      ["Day"],
      "the choice shows",
    );
    await page.click("[data-span=week]");
    await page.waitForSelector(".plot h3:has-text('Handed out and refused per 2 h')");
    assert.equal(
      await page.locator(".plot h3:has-text('Leases and slots')").textContent(),
      "Leases and slots",
      "what stands at a time is no count",
    );
  });

  it("pauses hand-outs after asking, says so in its verdict, and lets them go on", async () => {
    const page = await dashboard.logIn();
    await page.waitForSelector(".verdict[data-level=well]");
    await page.click("[data-switch=handouts]");
    await sure(page);
    await page.waitForSelector(".verdict[data-level=watch]:has-text('New instances are paused.')");
    assert.equal((await fetch(`${dashboard.service.origin}/instances`, { method: "POST" })).status, 503);
    await page.click("[data-switch=handouts]");
    await page.waitForSelector(".verdict[data-level=well]");
    await dashboard.handOut();
  });

  it("runs a job now, and shows that it has", async () => {
    const page = await dashboard.logIn();
    await page.waitForSelector(".job:has-text('prune')");
    const before = (await dashboard.service.store.runs.list()).find(({ job }) => job === "prune")?.startedAt.getTime();
    await page.click("[data-run=prune]");
    await said(page, "prune");
    await until(
      "it has run",
      async () =>
        (await dashboard.service.store.runs.list()).find(({ job }) => job === "prune")?.startedAt.getTime() !== before,
    );
    await page.waitForSelector(".event-kind:text-is('run')");
  });

  it("is loud about hosts that fall silent, and calm again when they are back", async () => {
    const page = await dashboard.logIn();
    await dashboard.service.stopHeartbeats();
    await page.waitForSelector('[data-host="host-a"][data-level=trouble]');
    await page.waitForSelector(".verdict[data-level=trouble]:has-text('2 of 2 hosts are unhealthy')");
    assert.match(await page.title(), /^\(!\)/);
    await dashboard.service.startHeartbeats();
    await page.waitForSelector(".verdict[data-level=well]");
  });

  it("says that it is stale when its stream breaks, and heals without a reload", async () => {
    const page = await dashboard.logIn();
    await page.evaluate("document.querySelector('[data-host=host-b]').kept = true");
    await dashboard.service.endApi("SIGKILL");
    await page.waitForSelector("[data-stale]:visible");
    await page.waitForSelector(".verdict[data-level=unknown] h1:text-matches('^Unknown since [0-9][0-9]:[0-9][0-9]$')");
    await page.waitForSelector("[data-host=host-b] [data-standing]:text-matches('^unknown since')");
    assert.ok(!((await page.textContent("[data-headline]")) ?? "").includes("well"));
    assert.equal(await page.evaluate("getComputedStyle(document.querySelector('.tiles')).opacity"), "1");
    assert.match(
      (await page.textContent("[data-stale]")) ?? "",
      /^The connection is lost\. This page shows the state at/,
    );
    await dashboard.service.startApi();
    await page.waitForSelector("[data-news=live]");
    await page.waitForSelector("[data-stale]", { state: "hidden" });
    const { id } = await dashboard.handOut();
    await page.waitForSelector(`tr[data-id="${id}"]`);
    assert.equal(await page.evaluate("document.querySelector('[data-host=host-b]').kept"), true);
  });

  it("asks for a new log-in when the session is over", async () => {
    const page = await dashboard.logIn();
    await dashboard.database.query("DELETE FROM ops_sessions");
    await page.click("[data-span=day]");
    await page.waitForSelector("#token:visible");
    assert.match((await page.textContent("[data-log-in-why]")) ?? "", /session is over/);
  });
});
