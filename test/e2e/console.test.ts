import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Redis } from "ioredis";
import type { BrowserContextOptions, Page } from "playwright-core";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { until } from "../bed/until.ts";
import { seriousViolations } from "./chromium.ts";
import { endInstance, getInstance, sidewaysOf, visitPages } from "./page-visits.ts";

/** What would run, load or show something if any of it were taken for markup. */
const MARKUP = `<img src=x onerror="globalThis.owned=1"><script>globalThis.owned=1</script><b>&amp;</b>`;

describe("the page's console and figures", () => {
  const visits = visitPages({ QUOTA_PER_ADDRESS: "8" });

  /** A page with an instance just handed out. */
  async function open(options: BrowserContextOptions = {}): Promise<{ page: Page; handout: Handout }> {
    const page = await visits.open(options);
    const handout = await getInstance(page);
    await page.waitForSelector("#command:enabled");
    return { page, handout };
  }

  async function withRedis(handout: Handout, deed: (redis: Redis) => Promise<unknown>): Promise<void> {
    const redis = new Redis(handout.url, { lazyConnect: true });
    try {
      await redis.connect();
      await deed(redis);
    } finally {
      redis.disconnect();
    }
  }

  it("answers typed commands as redis-cli does, and brings back earlier ones by the arrow keys", async () => {
    const { page } = await open();
    await page.focus("#command");
    for (const [line, reply] of [
      ["SET greeting 'hello there'", "OK"],
      ["GET greeting", '"hello there"'],
      ["RPUSH queue a b", "(integer) 2"],
      ["LRANGE queue 0 -1", '1) "a"\n2) "b"'],
      ["GET nothing", "(nil)"],
      ["CONFIG GET *", "CONFIG GET is not available here: it administers the server, which the service does for you."],
      ["DEBUG SLEEP 0", "DEBUG is not available here: it is for those who develop Redis, and can stop the server."],
      ["SET price '€ 5 – 日本'", "OK"],
      ["GET price", '"€ 5 – 日本"'],
      ['GET "open', "Invalid argument(s)"],
    ] as const) {
      await page.keyboard.type(line);
      await page.keyboard.press("Enter");
      assert.equal(await lastReply(page), reply);
      assert.equal(await page.locator(".typed").last().innerText(), `redis> ${line}`);
    }
    const shown: string[] = [];
    await page.keyboard.type("unfinished");
    for (const key of ["ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown"]) {
      await page.keyboard.press(key);
      shown.push(await page.inputValue("#command"));
    }
    assert.deepEqual(shown, [
      'GET "open',
      "GET price",
      "SET price '€ 5 – 日本'",
      "GET price",
      'GET "open',
      "unfinished",
      "unfinished",
    ]);
  });

  it("shows database and transaction in the prompt, and keeps both from command to command", async () => {
    const { page } = await open();
    const prompts: string[] = [];
    for (const line of ["SELECT 3", "MULTI", "INCR n", "EXEC"]) {
      await type(page, line);
      prompts.push(await page.innerText("[data-prompt-word]"));
    }
    assert.deepEqual(prompts, ["redis[3]>", "redis[3](TX)>", "redis[3](TX)>", "redis[3]>"]);
    assert.equal(await lastReply(page), "1) (integer) 1");
  });

  it("runs a command to try by a click, explains commands by HELP, empties by clear, and tells what it cannot do", async () => {
    const { page } = await open();
    await page.click("[data-try='SET greeting hello']");
    assert.equal(await lastReply(page), "OK");
    await page.click("[data-try='GET greeting']");
    assert.equal(await lastReply(page), '"hello"');
    await type(page, "SUBSCRIBE news");
    assert.match(await lastReply(page), /^SUBSCRIBE turns the connection into a stream/);
    await type(page, "clear");
    assert.equal(await page.innerText("[data-transcript]"), "");
    await type(page, "help");
    assert.match(await lastReply(page), /All commands: https:\/\/redis\.io\/commands$/);
    await type(page, "help append");
    assert.equal(await lastReply(page), "APPEND key value\nAppend a value to a key. Group: string. Since Redis 2.0.0.");
    await page.press("#command", "Control+l");
    assert.equal(await page.innerText("[data-transcript]"), "");
  });

  it("runs pasted lines one after the other, and leaves a single one to be changed", async () => {
    const { page } = await open();
    await paste(page, "PING");
    assert.equal(await page.locator(".typed").count(), 0);
    await page.fill("#command", "");
    await paste(page, "SET pasted 1\r\n\n  INCR pasted\nGET pasted\n");
    await page.waitForSelector(".reply:text-is('\"2\"')");
    assert.deepEqual(await page.locator("[data-transcript] > :not([data-tone=hint])").allInnerTexts(), [
      "redis> SET pasted 1",
      "OK",
      "redis> INCR pasted",
      "(integer) 2",
      "redis> GET pasted",
      '"2"',
    ]);
  });

  it("stops pasted lines where the connection is lost, and says how many were not run", async () => {
    const { page, handout } = await open();
    await paste(page, "SET before 1\nNO-SUCH-COMMAND\nBLPOP nothing 0\nSET after 1\nSET later 1");
    await page.waitForSelector(".typed:has-text('BLPOP')");
    await withRedis(handout, async (redis) => {
      await until("it waits", async () => /blocked_clients:1/.test(await redis.info("clients")));
      await page.route("**/console", (route) => route.abort("connectionreset"));
      await redis.rpush("nothing", "something");
    });
    await page.waitForSelector(".reply:text-is('1 more line was not run.')");
    await page.unroute("**/console");
    await type(page, "EXISTS before after later");
    assert.equal(await lastReply(page), "(integer) 1");
  });

  it("cancels a waiting command by key or button, says so, and takes it off the server's queues", async () => {
    const { page, handout } = await open();
    await withRedis(handout, async (redis) => {
      const waiting = async (count: number) => (await redis.info("clients")).includes(`blocked_clients:${count}`);
      for (const cancel of [
        () => page.keyboard.press("Control+c"),
        () => page.keyboard.press("Escape"),
        () => page.click(".run:text-is('Cancel')"),
      ]) {
        await page.fill("#command", "BLPOP queue 0");
        await page.press("#command", "Enter");
        await until("it waits", () => waiting(1));
        await page.waitForSelector(".reply:text-is('Waiting for the reply. To cancel: the button, Ctrl+C or Escape.')");
        await paste(page, "SET pasted 1\nSET pasted 2");
        await page.waitForSelector(".reply:has-text('A command still runs.')");
        await cancel();
        assert.equal(await lastReply(page), "Cancelled: the command waits no longer. It may still have had an effect.");
        await until("nobody waits", () => waiting(0));
      }
      await redis.rpush("queue", "mine");
    });
    assert.equal(await page.innerText(".run"), "Run");
    await type(page, "EXISTS queue pasted");
    assert.equal(await lastReply(page), "(integer) 1");
  });

  it("completes commands and their words by Tab, shows what they take, and lets Tab go on from an empty prompt", async () => {
    const { page } = await open();
    await page.focus("#command");
    await page.waitForSelector("#command[role=combobox]");
    await page.keyboard.type("hincr");
    await page.waitForSelector("#command[aria-expanded=true]");
    assert.deepEqual(await page.locator("[role=option]").allInnerTexts(), ["HINCRBY", "HINCRBYFLOAT"]);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assert.equal(await page.inputValue("#command"), "hincrbyfloat");
    await page.keyboard.press("Shift+Tab");
    assert.equal(await page.inputValue("#command"), "hincrby");
    assert.equal(
      await page.locator(`#${(await page.getAttribute("#command", "aria-activedescendant")) ?? ""}`).innerText(),
      "HINCRBY",
    );
    await page.keyboard.press("Escape");
    assert.equal(await page.inputValue("#command"), "hincr");
    await page.fill("#command", "");
    await page.keyboard.type("SET k v KEEP");
    assert.match(await page.innerText("#command-about"), /^SET key value \[NX \| XX\]/);
    await page.keyboard.press("Tab");
    assert.equal(await page.inputValue("#command"), "SET k v KEEPTTL ");
    await page.keyboard.press("Enter");
    assert.equal(await lastReply(page), "OK");
    await page.keyboard.press("Tab");
    await page.waitForSelector(".run:focus");
    await page.fill("#command", "hincr");
    await page.keyboard.press("ArrowUp");
    assert.equal(await page.inputValue("#command"), "SET k v KEEPTTL");
    assert.equal(await page.locator("[role=option]:visible").count(), 0, "the line that came back has its own");
  });

  it("completes by a tap, and keeps the prompt", async () => {
    const { page } = await open({ viewport: { width: 390, height: 844 }, hasTouch: true });
    await page.tap("#command");
    await page.waitForSelector("#command[role=combobox]");
    await page.keyboard.type("hgeta");
    await page.tap("[role=option]:text-is('HGETALL')");
    assert.equal(await page.inputValue("#command"), "hgetall ");
    await page.waitForSelector("#command:focus");
    assert.equal(await sidewaysOf(page), 0);
    assert.deepEqual(await seriousViolations(page), []);
  });

  it("still shows all after a reload, in the same database, and forgets it when the instance ends", async () => {
    const { page, handout } = await open();
    for (const line of ["SELECT 3", `ECHO '${MARKUP}'`, "MULTI"]) await type(page, line);
    const shown = () => page.locator("[data-transcript] > *").allInnerTexts();
    const before = await shown();
    await page.reload();
    await page.waitForSelector("#command:enabled");
    assert.deepEqual(await shown(), [...before, "The page was loaded again, so the transaction is gone."]);
    assert.equal(await page.innerText("[data-prompt-word]"), "redis[3]>");
    await page.focus("#command");
    await page.keyboard.press("ArrowUp");
    assert.equal(await page.inputValue("#command"), "MULTI");
    await assertUnharmed(page);
    await endInstance(visits.origin(), handout);
    await type(page, "PING");
    await page.waitForSelector("[data-slip][data-state=ended]");
    assert.equal(await page.evaluate("sessionStorage.getItem('getaredis.consoles')"), null);
  });

  it("begins anew where the tab's storage holds something else or is full", async () => {
    const { page } = await open();
    for (const kept of [
      "7",
      "null",
      "{",
      '{"x":null}',
      '{"x":{"entries":[{"kind":"typed"}],"lines":[],"database":0}}',
    ]) {
      await page.evaluate(`sessionStorage.setItem("getaredis.consoles", ${JSON.stringify(kept)})`);
      await page.reload();
      await page.waitForSelector("#command:enabled");
      await page.waitForSelector(".reply[data-tone=hint]");
    }
    await page.evaluate("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }");
    await type(page, "PING");
    assert.equal(await lastReply(page), "PONG");
  });

  it("says of a command without an answer that its effect is unknown", async () => {
    const { page } = await open();
    await page.route("**/console", (route) => route.abort("connectionreset"));
    await type(page, "INCR n");
    assert.equal(
      await lastReply(page),
      "No answer. The connection was lost, or the service is restarting. " + "The command may or may not have run.",
    );
  });

  it("shows the beginning of a long reply, and goes on in the same database after one too long to be read", async () => {
    const { page } = await open();
    await type(page, "SELECT 3");
    await type(page, "SETRANGE long 500000 x");
    await type(page, "GET long");
    assert.equal(await lastReply(page), "Cut here: the whole reply has 488 KB.");
    await type(page, "EVAL 'local t = {} for i = 1, 450000 do t[i] = i end return t' 0");
    assert.match(await lastReply(page), /^The command was run, but its reply is too long .* in the same database/);
    assert.match(
      await page.locator("[data-transcript] .reply").nth(-2).innerText(),
      /^Cut here: the whole reply has 1\.\d MB or more\.$/,
    );
    await type(page, "STRLEN long");
    assert.equal(await lastReply(page), "(integer) 500001");
    assert.equal(await page.innerText("[data-prompt-word]"), "redis[3]>");
  });

  it("keeps each instance's console apart while one changes between them", async () => {
    const { page, handout } = await open();
    await type(page, "SET mine 1");
    await page.click(".key:has-text('Get another Redis')");
    await page.waitForSelector("[data-held]:visible");
    await page.waitForSelector(".reply[data-tone=hint]");
    await type(page, "EXISTS mine");
    assert.equal(await lastReply(page), "(integer) 0");
    await page.click(`[data-held] [data-id="${handout.id}"]`);
    assert.equal(await page.locator(".typed").last().innerText(), "redis> SET mine 1");
    await type(page, "EXISTS mine");
    assert.equal(await lastReply(page), "(integer) 1");
  });

  it("shows all that strangers wrote as text: keys, values, errors, clients, replies of scripts", async () => {
    const { page, handout } = await open();
    const name = MARKUP.replaceAll(" ", "\u00a0");
    await withRedis(handout, async (redis) => {
      await redis.set(MARKUP, MARKUP);
      await redis.hset("hash", MARKUP, MARKUP);
      await redis.client("SETNAME", name.replaceAll(/[^!-~]/g, "_"));
      for (const line of [
        "KEYS *",
        `GET '${MARKUP}'`,
        "HGETALL hash",
        "CLIENT LIST",
        MARKUP,
        `'${MARKUP}'`,
        `EVAL "return redis.error_reply(ARGV[1])" 0 '${MARKUP}'`,
        `EVAL "return redis.status_reply(ARGV[1])" 0 '${MARKUP}'`,
        `EVAL "return {ARGV[1], {ARGV[1]}}" 0 '${MARKUP}'`,
        `SUBSCRIBE '${MARKUP}'`,
      ]) {
        await type(page, line);
      }
    });
    const text = await page.innerText("[data-transcript]");
    assert.ok(text.split("onerror=").length > 10, "all of it is there to be read");
    await assertUnharmed(page);
  });

  it("takes nothing in answers for markup, whatever stands in their fields", async () => {
    const { page } = await open();
    const answer = (body: object, status = 200) => ({
      status,
      contentType: status === 200 ? "application/json" : "application/problem+json",
      body: JSON.stringify(body),
    });
    await page.route("**/console", (route) =>
      route.fulfill(
        answer({
          text: MARKUP,
          tone: MARKUP,
          cutFromBytes: MARKUP,
          warning: MARKUP,
          database: MARKUP,
          transaction: MARKUP,
        }),
      ),
    );
    await type(page, "PING");
    await page.unroute("**/console");
    await page.route("**/console", (route) => route.fulfill(answer({ title: MARKUP, detail: MARKUP }, 429)));
    await type(page, MARKUP);
    assert.ok((await lastReply(page)).includes(MARKUP));
    await page.route("**/figures", (route) =>
      route.fulfill(
        answer({
          memoryBytes: MARKUP,
          maxMemoryBytes: MARKUP,
          keys: MARKUP,
          clients: MARKUP,
          maxClients: MARKUP,
          opsPerSecond: MARKUP,
        }),
      ),
    );
    await page.waitForResponse("**/figures");
    await page.route("**/instances", async (route) =>
      route.fulfill(answer({ ...((await (await route.fetch()).json()) as object), host: MARKUP }, 201)),
    );
    await page.click(".key");
    await page.waitForSelector("[data-held]:visible");
    assert.ok((await page.innerText("#field-address")).includes(MARKUP));
    assert.ok((await page.locator("[data-held] li").last().innerText()).includes(MARKUP));
    await assertUnharmed(page);
  });

  it("draws the instance's own figures while they change", async () => {
    const { page, handout } = await open();
    const value = (tile: string) => page.innerText(`[data-tile=${tile}] p`);
    await until("the first figures", async () => (await value("keys")) === "0");
    assert.match(await value("memory"), /^\d[\d.]* [KM]B of 25 MB$/);
    assert.match(await value("clients"), /^\d of 50$/);
    await withRedis(handout, async (redis) => {
      await Promise.all(Array.from({ length: 1234 }, (_, index) => redis.set(`key:${index}`, "x".repeat(1000))));
      await until("keys", async () => (await value("keys")) === "1,234");
      await until("commands a second", async () => {
        await Promise.all(Array.from({ length: 20 }, () => redis.ping()));
        return (await value("ops")) !== "0";
      });
    });
    await until("a course of several points", async () =>
      ((await page.getAttribute("[data-tile=keys] .line", "d")) ?? "").includes("L"),
    );
    assert.match(
      (await page.getAttribute("[data-tile=keys] svg", "aria-label")) ?? "",
      /^Keys: from 0 to 1,234 in the last minutes$/,
    );
  });

  it("asks for figures only while somebody looks: not hidden, not paused, not ended", async () => {
    const { page } = await open();
    let asked = 0;
    page.on("request", (request) => {
      if (request.url().endsWith("/figures")) asked++;
    });
    const askedAgain = (when: string) => {
      const before = asked;
      return until(when, () => asked > before);
    };
    const askedInAMinute = async () => {
      const before = asked;
      await page.clock.runFor(60_000);
      return asked - before;
    };
    const setHidden = (hidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { configurable: true, value: ${hidden} });
         document.dispatchEvent(new Event("visibilitychange"));`,
      );
    await page.clock.install();
    await askedAgain("while it is visible");
    await setHidden(true);
    assert.equal(await askedInAMinute(), 0);
    await setHidden(false);
    await askedAgain("once it is visible again");
    await page.click("[data-figures-pause]");
    assert.equal(await askedInAMinute(), 0);
    await page.click("[data-figures-pause]:text('Resume')");
    await askedAgain("once it is resumed");
    await page.click("[data-act=end]");
    await page.click("[data-act=end-now]");
    await page.waitForSelector("[data-slip][data-state=ended]");
    assert.equal(await askedInAMinute(), 0);
    assert.equal(await page.isDisabled("#command"), true);
    assert.equal(await page.innerText("[data-tile=keys] p"), "–");
  });

  it("says so when the instance does not tell its figures, and finds that it has ended", async () => {
    const { page, handout } = await open();
    await page.route("**/figures", (route) =>
      route.fulfill({
        status: 503,
        contentType: "application/problem+json",
        headers: { "retry-after": "1" },
        body: "{}",
      }),
    );
    await page.waitForSelector(
      "[data-figures-note]:text-is('No answer from the instance. Showing the last known values.')",
    );
    await page.unroute("**/figures");
    await page.route("**/figures", (route) =>
      route.fulfill({
        status: 503,
        contentType: "application/problem+json",
        body: JSON.stringify({ type: "urn:getaredis:script-running", title: "A script is running", status: 503 }),
      }),
    );
    await page.waitForSelector("[data-figures-note]:text-is('A script is running; figures pause until it ends.')");
    await endInstance(visits.origin(), handout);
    await type(page, "PING");
    await page.waitForSelector("[data-slip][data-state=ended]");
  });

  for (const colorScheme of ["light", "dark"] as const) {
    it(`has no serious accessibility fault with all kinds of lines and figures, in ${colorScheme}`, async () => {
      const { page } = await open({ colorScheme, reducedMotion: "reduce" });
      for (const line of ["SET a b", "NOSUCH", "MONITOR", "KEYS *"]) await type(page, line);
      await page.waitForSelector("[data-tile=keys] [data-value]:text('1')");
      assert.deepEqual(await seriousViolations(page), []);
    });
  }

  for (const width of [360, 768, 3840]) {
    it(`never scrolls sideways at ${width} pixels, however long a line is`, async () => {
      const { page } = await open({ viewport: { width, height: 800 } });
      await type(page, `ECHO ${"x".repeat(3000)}`);
      await type(page, "INFO clients");
      await page.waitForSelector("[data-tile=keys] [data-value]:text('0')");
      assert.equal(await sidewaysOf(page), 0);
      assert.equal(
        await page.evaluate<number>(
          `document.querySelector('[data-transcript]').scrollWidth -
             document.querySelector('[data-transcript]').clientWidth`,
        ),
        0,
      );
    });
  }

  it("moves nothing for those who asked for less motion", async () => {
    const { page } = await open({ reducedMotion: "reduce" });
    await page.route("**/console", () => undefined);
    await page.route("**/instances", () => undefined);
    await page.fill("#command", "PING");
    await page.press("#command", "Enter");
    await page.waitForSelector("[data-prompt][aria-busy=true]");
    await page.click(".key");
    await page.waitForSelector("[data-slip][data-state=working]");
    assert.equal(await page.evaluate<number>("document.getAnimations().length"), 0);
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });
});

/** Pastes into the prompt, as from the clipboard. */
async function paste(page: Page, text: string): Promise<void> {
  await page.focus("#command");
  await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
  await page.keyboard.press("Control+v");
}

/** Types a line and waits until it is done with. */
async function type(page: Page, line: string): Promise<void> {
  await page.fill("#command", line);
  await page.press("#command", "Enter");
  await page.waitForSelector("[data-prompt][aria-busy=false]");
}

/** The reply to the last line typed, once it is there. */
async function lastReply(page: Page): Promise<string> {
  await page.waitForSelector("[data-prompt][aria-busy=false]");
  return page.locator("[data-transcript] > :last-child:not(.typed)").innerText();
}

async function assertUnharmed(page: Page): Promise<void> {
  assert.equal(await page.evaluate("globalThis.owned"), undefined);
  assert.equal(await page.locator("main :is(b, script, iframe), main img").count(), 0);
}
