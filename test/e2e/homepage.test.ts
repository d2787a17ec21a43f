import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { Handout } from "../../apps/core/actions/create-instance.ts";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";
import { launchChromium, PLAIN_HTTP_NAME, seriousViolations, visit, type Visit } from "./chromium.ts";

const DESKTOP = { width: 1440, height: 900 };
const QUOTA = 2;

describe("the homepage", () => {
  let service: Service;
  let browser: Browser;
  let visits: Visit[] = [];
  /** Instances taken without the page. */
  let others: Handout[] = [];

  before(async () => {
    service = await startService({ env: { QUOTA_PER_ADDRESS: String(QUOTA), LEASE_MIN_SECONDS: "1" } });
    browser = await launchChromium();
  });

  afterEach(async () => {
    const closing = visits;
    visits = [];
    const held = [...others, ...(await Promise.all(closing.map(({ page }) => heldBy(page)))).flat()];
    others = [];
    await Promise.all(held.map((handout) => endInstance(service.origin, handout)));
    await Promise.all(closing.map(({ close }) => close()));
    assert.deepEqual(closing.flatMap(({ faults }) => faults), [], "no script error and nothing against the content security policy");
  });

  after(async () => {
    try {
      await browser.close();
    } finally {
      await service.stop();
    }
  });

  async function open(options: BrowserContextOptions = {}, origin = service.origin): Promise<Page> {
    const opened = await visit(browser, origin, { viewport: DESKTOP, permissions: ["clipboard-read", "clipboard-write"], ...options });
    visits.push(opened);
    return opened.page;
  }

  async function takeWithoutPage(): Promise<void> {
    const answer = await fetch(`${service.origin}/instances`, { method: "POST", headers: { accept: "application/json" } });
    assert.equal(answer.status, 201);
    others.push((await answer.json()) as Handout);
  }

  it("gives a Redis whose copied URL works, and ends it", async () => {
    const page = await open();
    await page.click("button:has-text('Get a Redis')");
    await page.waitForSelector("[data-state=running]");
    const url = await copied(page, "field-url");
    assert.equal(await ping(url), "PONG");

    await page.click("[data-act=end]");
    await page.click("[data-act=end-now]");
    await page.waitForSelector("[data-state=ended]");
    assert.match(await textOf(page, ".lease-text"), /^Ended .* You ended it\.$/);
    assert.ok(!(await page.content()).includes(new URL(url).password), "the password is forgotten");
    await assert.rejects(ping(url));
  });

  it("shows the same credentials in every place that can be copied", async () => {
    const page = await open();
    const { url, host, port, password, token, id } = await getInstance(page);
    const expected: Record<string, RegExp> = {
      "field-url": exactly(url),
      "field-address": exactly(`${host}:${port}`),
      "field-password": exactly(password),
      "code-cli": exactly(`redis-cli -u ${url}`),
      "code-env": exactly(`REDIS_URL=${url}`),
      "code-node": new RegExp(`^const url = "${escaped(url)}";$`, "m"),
      "code-python": new RegExp(`^url = "${escaped(url)}"$`, "m"),
      "code-go": new RegExp(`^url := "${escaped(url)}"$`, "m"),
      "code-curl": new RegExp(`Bearer ${escaped(token)}' ${escaped(service.origin)}/instances/${id}$`),
    };
    for (const [place, pattern] of Object.entries(expected)) {
      if (place.startsWith("code-")) await page.click(`label[for=${place.replace("code", "way")}]`);
      assert.match(await copied(page, place), pattern);
    }
  });

  it("stays where it is while the blanks fill in", async () => {
    const page = await open();
    const places = () => Promise.all([".get", ".slip", ".ways", ".lease", ".more"].map((selector) => page.locator(selector).boundingBox()));
    const blank = await places();
    await getInstance(page);
    assert.deepEqual(await places(), blank);
  });

  it("asks once when the button is pressed twice", async () => {
    const page = await open();
    const posts = countPosts(page);
    await page.dblclick(".key");
    await page.waitForSelector("[data-state=running]");
    assert.equal(posts.keys.length, 1);
    assert.equal((await heldBy(page)).length, 1);
  });

  it("gives the same Redis when the first answer was lost", async () => {
    const page = await open();
    const posts = countPosts(page);
    let lost: Handout | undefined;
    await page.route("**/instances", async (route) => {
      lost = (await (await route.fetch()).json()) as Handout;
      await route.abort("connectionreset");
    }, { times: 1 });
    await page.click(".key");
    assert.match(await textOf(page, "[data-problem]:visible"), /No answer came back/);
    const handout = await getInstance(page);
    assert.equal(handout.id, lost?.id);
    assert.equal(posts.keys.length, 2);
    assert.equal(posts.keys[0], posts.keys[1]);
    await page.click(".key");
    await until("the next hand-out", async () => (await heldBy(page)).length === 2);
    assert.notEqual(posts.keys[2], posts.keys[0], "a settled key is not used again");
  });

  it("says in plain words that the quota is used up, and lets go on once there is room", async () => {
    for (let count = 0; count < QUOTA; count++) await takeWithoutPage();
    const page = await open();
    await page.click(".key");
    assert.match(await textOf(page, "[data-problem]:visible"), /Your address has all its instances\s+An address may hold 2 at once\. End one of them/);
    assert.equal(await page.getAttribute("[data-slip]", "data-state"), "blank");
    await endInstance(service.origin, others[0]);
    await getInstance(page);
    assert.equal(await page.isVisible("[data-problem]"), false);
  });

  it("keeps the button down for as long as the service asks to be left alone", async () => {
    const page = await open();
    await page.route("**/instances", (route) =>
      route.fulfill({ status: 503, contentType: "application/problem+json", headers: { "retry-after": "2" }, body: JSON.stringify({ type: "urn:getaredis:no-capacity", title: "No room right now", status: 503, detail: "Every slot is in use." }) }),
    );
    const posts = countPosts(page);
    await page.click(".key");
    assert.match(await textOf(page, "[data-problem]:visible"), /No room right now\s+Every slot is in use\./);
    await page.locator(".key:has-text('Again in')").click({ force: true });
    await page.waitForSelector(".key:has-text('Get a Redis')");
    assert.equal(posts.keys.length, 1);
    await page.unroute("**/instances");
    await getInstance(page);
  });

  it("still shows the result after a reload", async () => {
    const page = await open();
    const { url } = await getInstance(page);
    await page.reload();
    await page.waitForSelector("[data-state=running]");
    assert.equal(await textOf(page, "#field-url"), url);
    assert.match(await textOf(page, ".lease-text"), /^(12 h 00|11 h 59) min \d\d s left until /);
  });

  it("shows after a reload that the instance was ended elsewhere", async () => {
    const page = await open();
    await endInstance(service.origin, await getInstance(page));
    await page.reload();
    await page.waitForSelector("[data-state=ended]");
    assert.equal(await textOf(page, "[data-state-word]"), "Ended");
  });

  it("counts down to the end of the lease and shows that its time was up", async () => {
    const page = await open();
    await changeLease(service.origin, await getInstance(page), 5);
    await page.reload();
    await page.waitForSelector("[data-lease-left]:text-matches('^[1-5] s left$')");
    await page.waitForSelector("[data-state=ending]");
    await page.waitForSelector("[data-state=ended]");
    assert.match(await textOf(page, ".lease-text"), /^Ended .* Its time was up\.$/);
  });

  it("gets and copies also on a page that came by plain http", async () => {
    const page = await open({ permissions: [] }, service.origin.replace("127.0.0.1", PLAIN_HTTP_NAME));
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
    await page.waitForSelector("[data-state=running]");
    assert.notEqual(await textOf(page, "#field-url"), first.url);
    await page.click(`[data-choice] >> text=":${first.port}"`);
    assert.equal(await textOf(page, "#field-url"), first.url);
  });

  it("extends the lease as far as the longest one goes, then offers no more", async () => {
    const page = await open();
    await getInstance(page);
    assert.equal(await textOf(page, "[data-act=extend]"), "Extend by 12 h");
    await page.click("[data-act=extend]");
    await page.waitForSelector("[data-act=extend]", { state: "hidden" });
    assert.match(await textOf(page, ".lease-text"), /^23 h 59 min \d\d s left/);
  });

  it("weighs less than 40 KB, styles and scripts included", async () => {
    const page = await open();
    await getInstance(page);
    const sizes = await page.evaluate<[string, number][]>("performance.getEntries().filter((entry) => entry.decodedBodySize > 0).map((entry) => [new URL(entry.name).pathname, entry.decodedBodySize])");
    const counted = sizes.filter(([path]) => /^\/$|\.(css|js)$/.test(path));
    assert.equal(counted.length, 9, counted.join(" "));
    const total = counted.reduce((sum, [, size]) => sum + size, 0);
    assert.ok(total < 40 * 1024, `${total} bytes`);
  });

  it("works by keyboard alone", async () => {
    const page = await open();
    await tabTo(page, ".key");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-state=running]");
    await page.waitForSelector("#slip-title:focus");
    await tabTo(page, "[data-copy=field-url]");
    await page.keyboard.press("Enter");
    await until("word of the copy for screen readers", async () => (await textOf(page, "[data-say]")) === "Copied");
    await tabTo(page, "#way-cli");
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.isVisible("#code-env"), true);
    assert.equal(await page.isVisible("#code-cli"), false);
    await tabTo(page, "[data-act=end]");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-act=keep]:focus");
    await page.keyboard.press("Escape");
    await page.waitForSelector("[data-act=end]:focus");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Shift+Tab");
    await page.waitForSelector("[data-act=end-now]:focus");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-state=ended]");
  });

  for (const [how, name] of [["https or loopback", "127.0.0.1"], ["plain http", PLAIN_HTTP_NAME]] as const) {
    it(`works without JavaScript, by the form, over ${how}`, async () => {
      const page = await open({ javaScriptEnabled: false }, service.origin.replace("127.0.0.1", name));
      await page.click(".key");
      const url = await textOf(page, "#field-url");
      assert.equal(await ping(url), "PONG");
      assert.equal(await textOf(page, "#code-env"), `REDIS_URL=${url}`);
      assert.equal(await page.isVisible("[data-copy=field-url]"), false, "no button that cannot work");
      others.push(JSON.parse((await page.getAttribute("[data-slip]", "data-instance")) ?? "") as Handout);

      await takeWithoutPage();
      await page.click(".key");
      assert.match(await textOf(page, "[data-problem]"), /Your address has all its instances/);
    });

    it(`is not there for the forms of other sites, over ${how}`, async () => {
      for (const policy of ["unsafe-url", "no-referrer"]) {
        const target = service.origin.replace("127.0.0.1", name);
        const page = await open({}, target);
        await page.route("http://elsewhere.example/", (route) =>
          route.fulfill({ contentType: "text/html", headers: { "referrer-policy": policy }, body: `<form method="post" action="${target}/instances"><button>Win</button></form>` }),
        );
        await page.goto("http://elsewhere.example/");
        await page.click("button");
        assert.match(await textOf(page, "[data-problem]"), /Another site sent this request/);
      }
    });
  }

  it("keeps the answer to a form that was posted before the script was there", async () => {
    const page = await open();
    await page.evaluate("document.querySelector('form').submit()");
    await page.waitForURL(`${service.origin}/`);
    await page.waitForSelector("[data-state=running]");
    const url = await textOf(page, "#field-url");
    await page.reload();
    assert.equal(await textOf(page, "#field-url"), url);
    assert.equal((await heldBy(page)).length, 1);
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
      await page.waitForSelector("[data-state=ended]");
      assert.deepEqual(await seriousViolations(page), []);
    });
  }

  for (const width of [360, 768, 3840]) {
    it(`never scrolls sideways at ${width} pixels`, async () => {
      const page = await open({ viewport: { width, height: 800 } });
      const overflow = () => page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      assert.equal(await overflow(), 0);
      await getInstance(page);
      for (const way of await page.locator(".ways label").all()) {
        await way.click();
        assert.equal(await overflow(), 0);
      }
    });
  }

  it("shows a page, not a document of errors, where there is nothing", async () => {
    const page = await open();
    await page.goto(`${service.origin}/nowhere`);
    assert.match(await textOf(page, "[data-problem]"), /There is nothing here/);
    await getInstance(page);
  });
});

/** Presses the button and waits for what it gives. */
async function getInstance(page: Page): Promise<Handout> {
  const before = (await heldBy(page)).length;
  await page.click(".key[aria-disabled=false]");
  await page.waitForSelector("[data-state=running]");
  return until("the hand-out", async () => (await heldBy(page)).at(before));
}

/** The instances that the page's tab remembers and that have not ended. */
async function heldBy(page: Page): Promise<Handout[]> {
  const text = await page.evaluate<string>("sessionStorage.getItem('getaredis.held') ?? '[]'");
  return (JSON.parse(text) as { instance: Handout; state: string }[]).filter(({ state }) => state !== "ended").map(({ instance }) => instance);
}

async function endInstance(origin: string, handout: Handout | undefined): Promise<void> {
  assert.ok(handout);
  const answer = await fetch(`${origin}/instances/${handout.id}`, { method: "DELETE", headers: { authorization: `Bearer ${handout.token}` } });
  assert.equal(answer.status, 204);
}

async function changeLease(origin: string, { id, token }: Handout, ttlSeconds: number): Promise<void> {
  const answer = await fetch(`${origin}/instances/${id}`, { method: "PATCH", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify({ ttlSeconds }) });
  assert.equal(answer.status, 200);
}

function countPosts(page: Page): { keys: (string | undefined)[] } {
  const keys: (string | undefined)[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST") keys.push(request.headers()["idempotency-key"]);
  });
  return { keys };
}

async function ping(url: string): Promise<string> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    return await redis.ping();
  } finally {
    redis.disconnect();
  }
}

/** Presses a copy button and reads the clipboard once the button says so. */
async function copied(page: Page, place: string): Promise<string> {
  await page.click(`[data-copy=${place}]`);
  await page.waitForSelector(`[data-copy=${place}]:text("Copied")`);
  return page.evaluate<string>("navigator.clipboard.readText()");
}

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).innerText()).trim();
}

/** Presses Tab until the element has the focus. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 50; presses++) {
    await page.keyboard.press("Tab");
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
