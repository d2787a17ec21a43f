import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Page } from "playwright-core";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { until } from "../bed/until.ts";
import { PLAIN_HTTP_NAME } from "./chromium.ts";
import { endInstance, getInstance, heldBy, ping, textOf, visitPages } from "./page-visits.ts";

const QUOTA = 2;

describe("the homepage", () => {
  const { open, origin, store, takeWithoutPage, endAfterwards } = visitPages({
    QUOTA_PER_ADDRESS: String(QUOTA),
    LEASE_MIN_SECONDS: "1",
  });

  it("gives a Redis whose copied URL works, and ends it", async () => {
    const page = await open();
    await page.click("button:has-text('Get a Redis')");
    await page.waitForSelector("[data-slip][data-state=running]");
    const url = await copied(page, "field-url");
    assert.equal(await ping(url), "PONG");
    await page.click("[data-try=PING]");
    await page.waitForSelector(".reply:text-is('PONG')");

    await page.click("[data-act=end]");
    await page.click("[data-act=end-now]");
    await page.waitForSelector("[data-slip][data-state=ended]");
    assert.match(await textOf(page, ".lease-text"), /^Ended .* You ended it\.$/);
    assert.ok(!(await page.content()).includes(new URL(url).password), "the password is forgotten");
    await assert.rejects(ping(url));
  });

  it("shows the same credentials in every place that can be copied", async () => {
    const page = await open();
    const { url, host, port, password, id } = await getInstance(page);
    const expected: Record<string, RegExp> = {
      "field-url": exactly(url),
      "field-address": exactly(`${host}:${port}`),
      "field-password": exactly(password),
      "code-cli": exactly(`redis-cli -u ${url}`),
      "code-env": exactly(`REDIS_URL=${url}`),
      "code-node": new RegExp(`^const redis = new Redis\\("${escaped(url)}"\\);$`, "m"),
      "code-python": new RegExp(`^r = redis\\.from_url\\("${escaped(url)}", decode_responses=True\\)$`, "m"),
      "code-go": new RegExp(`DialURL\\("${escaped(url)}"\\)$`, "m"),
      "code-curl": new RegExp(
        `^curl -X PATCH -H 'Authorization: Bearer ${escaped(password)}' [^]* ${escaped(origin())}/instances/${id}$`,
        "m",
      ),
    };
    for (const [place, pattern] of Object.entries(expected)) {
      if (place.startsWith("code-")) await page.click(`label[for=${place.replace("code", "way")}]`);
      assert.match(await copied(page, place), pattern);
    }
  });

  it("says what an instance has sent once that is more than half of what it may", async () => {
    const page = await open();
    const { id } = await getInstance(page);
    const usual = await textOf(page, "[data-lease-note]");
    let sentBytes = 5_000_000_000;
    await page.route(`**/instances/${id}`, async (route) => {
      if (route.request().method() !== "GET") return route.continue();
      const response = await route.fetch();
      const transfer = { sentBytes, limitBytes: 10_000_000_000, throttled: sentBytes >= 10_000_000_000 };
      return route.fulfill({ response, json: { ...((await response.json()) as object), transfer } });
    });
    const noteWith = async (bytes: number) => {
      sentBytes = bytes;
      const answered = page.waitForResponse(`**/instances/${id}`);
      await page.evaluate(`document.dispatchEvent(new Event("visibilitychange"))`);
      await answered;
    };
    await noteWith(5_000_000_000);
    assert.equal(await textOf(page, "[data-lease-note]"), usual);
    await noteWith(6_240_000_000);
    await page.waitForSelector("[data-lease-note]:has-text('It has sent 6.2 GB of its limit of 10 GB. The password')");
    await noteWith(10_000_000_001);
    await page.waitForSelector(
      "[data-lease-note]:has-text('It has sent its limit of 10 GB, and is slow from now on until it ends.')",
    );
  });

  it("asks once when the button is pressed twice", async () => {
    const page = await open();
    const posts = countPosts(page);
    await page.dblclick(".key");
    await page.waitForSelector("[data-slip][data-state=running]");
    assert.equal(posts.keys.length, 1);
    assert.equal((await heldBy(page)).length, 1);
  });

  it("gives the same Redis when the first answer was lost", async () => {
    const page = await open();
    const posts = countPosts(page);
    let lost: Handout | undefined;
    await page.route(
      "**/instances",
      async (route) => {
        lost = (await (await route.fetch()).json()) as Handout;
        await route.abort("connectionreset");
      },
      { times: 1 },
    );
    await page.click(".key");
    assert.match(
      await textOf(page, "[data-problem]:visible"),
      /No answer\s+The connection was lost, or the service is restarting\. Try again\. You won't get a second one\./,
    );
    const handout = await getInstance(page);
    assert.equal(handout.id, lost?.id);
    assert.equal(posts.keys.length, 2);
    assert.equal(posts.keys[0], posts.keys[1]);
    await page.click(".key");
    await until("the next hand-out", async () => (await heldBy(page)).length === 2);
    assert.notEqual(posts.keys[2], posts.keys[0], "a settled key is not used again");
  });

  it("says what to make of an extension and of an end whose answers were lost", async () => {
    const page = await open();
    await getInstance(page);
    const note = "[data-lease-note][data-fault]";
    await page.route("**/instances/*", async (route) => {
      if (route.request().method() === "GET") return route.continue();
      if (route.request().method() === "PATCH") await route.fetch();
      return route.abort("connectionreset");
    });
    await page.click("[data-act=extend]");
    assert.equal(
      await textOf(page, note),
      "No answer. The connection was lost, or the service is restarting. " +
        "If the time left is the same as before, extend it again.",
    );
    assert.match(await textOf(page, ".lease-text"), /^23 h 59 min/, "it was extended all the same");
    await page.click("[data-act=end]");
    await page.click("[data-act=end-now]");
    await page.waitForSelector(`${note}:has-text("running, end it again")`);
    assert.equal(
      await textOf(page, note),
      "No answer. The connection was lost, or the service is restarting. " +
        "If it is still shown as running, end it again.",
    );
    assert.equal(await page.getAttribute("[data-slip]", "data-state"), "running");
  });

  it("says in plain words that the quota is used up, and lets go on once there is room", async () => {
    const [first = assert.fail()] = await Promise.all(Array.from({ length: QUOTA }, () => takeWithoutPage()));
    const page = await open();
    await page.click(".key");
    assert.match(
      await textOf(page, "[data-problem]:visible"),
      /Too many instances\s+You have reached the limit of 2 instances for your IP address\. End one of them/,
    );
    assert.equal(await page.getAttribute("[data-slip]", "data-state"), "blank");
    await endInstance(origin(), first);
    await getInstance(page);
    assert.equal(await page.isVisible("[data-problem]"), false);
  });

  it("keeps the button down for as long as the service asks to be left alone", async () => {
    const page = await open();
    await page.route("**/instances", (route) =>
      route.fulfill({
        status: 503,
        contentType: "application/problem+json",
        headers: { "retry-after": "5" },
        body: JSON.stringify({
          type: "urn:getaredis:no-capacity",
          title: "No room right now",
          status: 503,
          detail: "Every slot is in use.",
        }),
      }),
    );
    const posts = countPosts(page);
    await page.click(".key");
    assert.match(await textOf(page, "[data-problem]:visible"), /No room right now\s+Every slot is in use\./);
    await page.locator(".key:has-text('Try again in')").click({ force: true });
    await page.waitForSelector(".key:has-text('Get a Redis')");
    assert.equal(posts.keys.length, 1);
    await page.unroute("**/instances");
    await getInstance(page);
  });

  it("still shows the result after a reload", async () => {
    const page = await open();
    const { url } = await getInstance(page);
    await page.reload();
    await page.waitForSelector("[data-slip][data-state=running]");
    assert.equal(await textOf(page, "#field-url"), url);
    assert.match(await textOf(page, ".lease-text"), /^(12 h 00|11 h 59) min \d\d s left until /);
  });

  it("shows after a reload that the instance was ended elsewhere", async () => {
    const page = await open();
    await endInstance(origin(), await getInstance(page));
    await page.reload();
    await page.waitForSelector("[data-slip][data-state=ended]");
    assert.equal(await textOf(page, "[data-state-word]"), "Ended");
  });

  it("counts down to the end of the lease and shows that its time was up", async () => {
    const page = await open();
    await changeLease(origin(), await getInstance(page), 8);
    await page.reload();
    await page.waitForSelector("[data-lease-left]:text-matches('^[1-5] s left$')");
    assert.equal(await page.title(), "1 min left: Your Redis · Get a Redis");
    assert.match(await textOf(page, "[data-last]"), /^Your Redis ends in [1-5] s\.\s+Extend by 12 h\s+Hide$/);
    assert.equal(await textOf(page, "[data-say]"), "Your Redis ends in less than a minute.");
    await page.waitForSelector("[data-slip][data-state=ending]");
    await page.waitForSelector("[data-slip][data-state=ended]");
    assert.match(await textOf(page, ".lease-text"), /^Ended .* Its time was up\.$/);
    assert.equal(await page.title(), "Ended: Your Redis · Get a Redis");
    await page.waitForSelector("[data-say]:text-is('Your Redis has ended. Its time was up.')");
    assert.equal(await page.isVisible("[data-last]"), false);
    assert.doesNotMatch(await page.content(), /ready/);
  });

  it("offers to extend what is about to end, wherever one has scrolled to, and can be told to be quiet", async () => {
    const page = await open();
    const first = await getInstance(page);
    await page.click(".key:has-text('Get another Redis')");
    await page.waitForSelector("[data-held] li:nth-child(2)");
    await changeLease(origin(), first, 500);
    await page.reload();
    await page.click("[data-last-hide]");
    assert.equal(await page.isVisible("[data-last]"), false);
    await page.reload();
    await page.waitForSelector("[data-last]:has-text('Your Redis ends in 8 min')");
    await page.evaluate("document.querySelector('.more').scrollIntoView()");
    await page.click("[data-last-extend]");
    await page.waitForSelector("[data-last]", { state: "hidden" });
    assert.equal(await textOf(page, "#field-url"), first.url, "what was extended is shown");
    assert.match(await textOf(page, ".lease-text"), /^12 h 0[78] min \d\d s left/);
  });

  it("calls an instance as its holder does, in the list, in the title, in other tabs and after a reload", async () => {
    const page = await open();
    const first = await getInstance(page);
    await page.click(".key:has-text('Get another Redis')");
    await page.waitForSelector("[data-held] li:nth-child(2)");
    await page.click(`[data-held] [data-id="${first.id}"]`);
    await page.click("[data-act=rename]");
    await page.waitForSelector("#name:focus");
    await page.keyboard.type("  <b>Carts</b> ");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-act=rename]:focus");
    const other = await page.context().newPage();
    await other.goto(origin());
    await page.reload();
    for (const each of [page, other]) {
      assert.match(await textOf(each, `[data-held] [data-id="${first.id}"]`), /^<b>Carts<\/b>\s/);
      await each.click(`[data-held] [data-id="${first.id}"]`);
      assert.equal(await textOf(each, "#slip-title"), "<b>Carts</b>");
      assert.equal(await each.title(), "<b>Carts</b> · Get a Redis");
    }
    await page.click("[data-act=rename]");
    await page.waitForSelector("#name:focus");
    assert.equal(await page.inputValue("#name"), "<b>Carts</b>");
    await page.fill("#name", "other");
    await page.keyboard.press("Escape");
    assert.equal(await textOf(page, "#slip-title"), "<b>Carts</b>");
    await page.click("[data-act=rename]");
    await page.fill("#name", "");
    await page.click("[data-rename] button");
    assert.equal(await textOf(page, "#slip-title"), "Your Redis");
  });

  it("is shared by a link that another browser takes after a question, and that no request tells", async () => {
    const page = await open();
    const { url, password, token } = await getInstance(page);
    await page.click("[data-act=share]");
    await page.waitForSelector("[data-qr] path");
    const link = await copied(page, "share-link");
    await page.keyboard.press("Escape");
    await until("it is gone with the sheet", async () => !(await page.content()).includes(link));

    const other = await open();
    const asked: string[] = [];
    other.on("request", (request) => asked.push(request.url(), request.headers()["referer"] ?? ""));
    await other.goto(link);
    await other.waitForSelector("[data-take][open]");
    assert.match(
      await textOf(other, "[data-take]"),
      new RegExp(`It is at ${escaped(new URL(url).host)}, with 1[12] h \\d+ min`),
    );
    assert.equal(await other.evaluate("location.href"), `${origin()}/`);
    await other.keyboard.press("Enter");
    await other.waitForSelector("[data-take]", { state: "hidden" });
    assert.equal((await heldBy(other)).length, 0, "the harmless answer has the focus");
    await other.evaluate(`location.hash = ${JSON.stringify(new URL(link).hash)}`);
    await other.click("[data-take] [value=keep]");
    await other.waitForSelector("[data-slip][data-state=running]");
    assert.equal(await textOf(other, "#field-url"), url);
    assert.deepEqual(
      asked.filter((each) => each.includes(password) || each.includes(token)),
      [],
    );
    await other.click("[data-act=end]");
    await other.click("[data-act=end-now]");
    await other.waitForSelector("[data-slip][data-state=ended]");
    await other.evaluate("localStorage.clear()");
    await other.goto("about:blank");
    await other.goto(link);
    await other.waitForSelector("[data-problem]:has-text('has ended, or the link is not complete')");
    await page.reload();
    await page.waitForSelector("[data-slip][data-state=ended]");
  });

  it("gets and copies also on a page that came by plain http", async () => {
    const page = await open({ permissions: [] }, origin(PLAIN_HTTP_NAME));
    assert.equal(await page.evaluate<boolean>("isSecureContext"), false);
    const { url } = await getInstance(page);
    await page.click("[data-copy=field-url]");
    await page.waitForSelector("[data-copy=field-url]:text('Copied')");
    await page.evaluate("document.body.append(document.createElement('textarea'))");
    await page.focus("textarea");
    await page.keyboard.press("Control+V");
    assert.equal(await page.inputValue("textarea"), url);
  });

  it("holds several instances and shows the one chosen", async () => {
    const page = await open();
    const first = await getInstance(page);
    await page.click(".key:has-text('Get another Redis')");
    await until("the second hand-out", async () => (await heldBy(page)).length === 2);
    await page.waitForSelector("[data-slip][data-state=running]");
    assert.notEqual(await textOf(page, "#field-url"), first.url);
    await page.click(`[data-held] button:has-text(":${first.port}")`);
    assert.equal(await textOf(page, "#field-url"), first.url);
    assert.equal(await page.getAttribute(`[data-held] [data-id="${first.id}"]`, "aria-pressed"), "true");
  });

  it("extends the lease as far as the longest one goes, then offers no more", async () => {
    const page = await open();
    await getInstance(page);
    assert.equal(await textOf(page, "[data-act=extend]"), "Extend by 12 h");
    await page.click("[data-act=extend]");
    await page.waitForSelector("[data-act=extend]", { state: "hidden" });
    assert.match(await textOf(page, ".lease-text"), /^23 h 59 min \d\d s left/);
  });

  it("knows its instances in another tab and after all tabs were closed", async () => {
    const page = await open();
    const other = await page.context().newPage();
    await other.goto(origin());
    const { url, id } = await getInstance(page);
    await other.waitForSelector("[data-slip][data-state=running]");
    assert.equal(await textOf(other, "#field-url"), url);
    await page.click("[data-act=end]");
    await page.click("[data-act=end-now]");
    await other.waitForSelector("[data-slip][data-state=ended]");
    assert.ok(!(await other.content()).includes(new URL(url).password), "the password is forgotten there, too");
    await getInstance(page);
    await page.goto("about:blank");
    await other.close();
    await page.goto(origin());
    await page.waitForSelector("[data-slip][data-state=running]");
    assert.notEqual((await heldBy(page))[0]?.id, id);
  });

  it("tells what runs in it, and that it came back empty when it did, also after a reload", async () => {
    const page = await open();
    const { id, version } = await getInstance(page);
    assert.equal(await textOf(page, "[data-server]"), `It runs Redis ${version}.`);
    await store().leases.noteRestart(id, { at: new Date(), cause: "out-of-memory" });
    for (const round of ["told when the page is there again", "kept"]) {
      await page.reload();
      await page.waitForSelector("[data-server][data-restarted]");
      assert.match(
        await textOf(page, "[data-server]"),
        /^It runs Redis \S+ Its memory was full at .+: all its data is lost, and its address and password are the same\.$/,
        round,
      );
    }
  });

  it("tells visitors to keep it themselves where their browser does not", async () => {
    const page = await open();
    assert.match(await textOf(page, "[data-lease-note]"), /This browser remembers it until the end/);
    await page.addInitScript(
      "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };",
    );
    await page.reload();
    const words = "The password is shown only once. This browser cannot remember it: save it and the token yourself.";
    assert.equal(await textOf(page, "[data-lease-note]"), words);
    const answer = page.waitForResponse((response) => response.request().method() === "POST");
    await page.click(".key");
    endAfterwards((await (await answer).json()) as Handout);
    await page.waitForSelector("[data-slip][data-state=running]");
    assert.equal(await textOf(page, "[data-lease-note]"), words);
  });

  it("starts again where the browser's storage holds foreign data, and keeps what is its own", async () => {
    const page = await open();
    const keep = async (text: string) => {
      await page.evaluate(`localStorage.setItem("getaredis.held", ${JSON.stringify(text)})`);
      await page.reload();
    };
    const dates = { createdAt: "2026-01-01T00:00:00Z", expiresAt: "2999-01-01T00:00:00Z" };
    const strange = [
      "null",
      "{}",
      "7",
      '"x"',
      "no JSON",
      ...[
        null,
        7,
        "x",
        [],
        {},
        { instance: null, state: "running" },
        { instance: { id: "x", host: "h", ...dates }, state: "running" },
        { instance: { id: "x", host: "h", url: 1, password: 1, token: 1, ...dates }, state: "running" },
        { instance: { id: "x", host: "h", url: "u", password: "p", token: "t" }, state: "running" },
      ].map((entry) => JSON.stringify([entry])),
    ];
    for (const text of strange) {
      await keep(text);
      await page.waitForSelector(".key[aria-disabled=false]:has-text('Get a Redis')");
      assert.equal(await page.evaluate("localStorage.getItem('getaredis.held')"), "[]", text);
    }
    const { url } = await getInstance(page);
    const [own] = JSON.parse(await page.evaluate<string>("localStorage.getItem('getaredis.held')")) as object[];
    await keep(JSON.stringify([null, own, {}]));
    await page.waitForSelector("[data-slip][data-state=running]");
    assert.equal(await textOf(page, "#field-url"), url);
  });

  it("keeps the states of all its instances up to date", async () => {
    const page = await open();
    const first = await getInstance(page);
    await page.click(".key:has-text('Get another Redis')");
    await page.waitForSelector("[data-held] li:nth-child(2)");
    const row = `[data-held] [data-id="${first.id}"]`;
    assert.match(await textOf(page, row), new RegExp(`:${first.port}\\s+1[12] h$`));
    await changeLease(origin(), first, 2);
    await page.reload();
    await page.waitForSelector(`${row}[data-state=ending]`);
    await page.waitForSelector(`${row}[data-state=ended]`);
    assert.equal(await page.getAttribute("[data-slip]", "data-state"), "running", "the one shown is the other");
  });

  it("works by keyboard alone", async () => {
    const page = await open();
    await tabTo(page, ".key");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-slip][data-state=running]");
    await page.waitForSelector("#slip-title:focus");
    await tabTo(page, "[data-copy=field-url]");
    await page.keyboard.press("Enter");
    await until("word of the copy for screen readers", async () => (await textOf(page, "[data-say]")) === "Copied");
    await tabTo(page, "#way-cli");
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector("#code-env", { state: "visible" });
    assert.equal(await page.isVisible("#code-cli"), false);
    await tabTo(page, "#command");
    await page.keyboard.type("PING");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".reply:text-is('PONG')");
    await tabTo(page, "[data-figures-pause]");
    await tabTo(page, "[data-act=end]", "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-act=keep]:focus");
    await page.keyboard.press("Escape");
    await page.waitForSelector("[data-act=end]:focus");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Shift+Tab");
    await page.waitForSelector("[data-act=end-now]:focus");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-slip][data-state=ended]");
  });
});

async function changeLease(origin: string, { id, token }: Handout, ttlSeconds: number): Promise<void> {
  const answer = await fetch(`${origin}/instances/${id}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ ttlSeconds }),
  });
  assert.equal(answer.status, 200);
}

function countPosts(page: Page): { keys: (string | undefined)[] } {
  const keys: (string | undefined)[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && new URL(request.url()).pathname === "/instances")
      keys.push(request.headers()["idempotency-key"]);
  });
  return { keys };
}

/** Presses a copy button and reads the clipboard once the button says so. */
async function copied(page: Page, place: string): Promise<string> {
  await page.click(`[data-copy=${place}]`);
  await page.waitForSelector(`[data-copy=${place}]:text("Copied")`);
  return page.evaluate<string>("navigator.clipboard.readText()");
}

/** Presses Tab (or Shift+Tab, backwards) until the element has the focus. */
async function tabTo(page: Page, selector: string, key = "Tab"): Promise<void> {
  for (let presses = 0; presses < 50; presses++) {
    await page.keyboard.press(key);
    if ((await page.locator(`${selector}:focus`).count()) === 1) return;
  }
  assert.fail(`Tab never reaches ${selector}`);
}

function exactly(text: string): RegExp {
  return new RegExp(`^${escaped(text)}$`);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
