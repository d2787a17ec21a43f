import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { after, afterEach, before } from "node:test";
import { Redis } from "ioredis";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";
import { launchChromium, PLAIN_HTTP_NAME, visit, type Visit } from "./chromium.ts";

const DESKTOP = { width: 1440, height: 900 };

interface Bed {
  service: Service;
  browser: Browser;
  /** The API's environment without what a describe block has added. */
  usual: Record<string, string>;
}

let begun: Promise<Bed> | undefined;

async function startBed(): Promise<Bed> {
  const service = await startService({ api: false, env: { ALLOWED_HOSTS: PLAIN_HTTP_NAME } });
  return { service, usual: { ...service.env }, browser: await launchChromium() };
}

after(async () => {
  const bed = await begun;
  if (!bed) return;
  try {
    await bed.browser.close();
  } finally {
    await bed.service.stop();
  }
});

/**
 * The service and a browser for the tests of one describe block, whose API has settings of its own; all else is there
 * once for all blocks of a process. After each test its pages are closed, what they hold is ended, and none of them may
 * have had a fault.
 */
export function visitPages(env: Record<string, string>) {
  let service: Service;
  let browser: Browser;
  let visits: Visit[] = [];
  /** Instances taken without a page. */
  let others: Handout[] = [];

  before(async () => {
    const bed = await (begun ??= startBed());
    ({ service, browser } = bed);
    for (const name of Object.keys(service.env)) Reflect.deleteProperty(service.env, name);
    Object.assign(service.env, bed.usual, env);
    await service.startApi();
    await endAll(service);
  });

  afterEach(async () => {
    const closing = visits;
    visits = [];
    const held = [...others, ...(await Promise.all(closing.map(({ page }) => heldBy(page)))).flat()];
    others = [];
    await Promise.all(held.map((handout) => endInstance(service.origin, handout)));
    await Promise.all(closing.map(({ close }) => close()));
    assert.deepEqual(
      closing.flatMap(({ faults }) => faults),
      [],
      "no script error and nothing against the content security policy",
    );
  });

  after(() => service.endApi("SIGTERM"));

  async function open(options: BrowserContextOptions = {}, origin = service.origin): Promise<Page> {
    const opened = await visit(browser, origin, {
      viewport: DESKTOP,
      permissions: ["clipboard-read", "clipboard-write"],
      ...options,
    });
    visits.push(opened);
    return opened.page;
  }

  /** From an address of this machine, by default the one that pages come from. */
  async function takeWithoutPage(localAddress = "127.0.0.1"): Promise<Handout> {
    const asking = request(`${service.origin}/instances`, { method: "POST", localAddress });
    asking.end();
    const [answer] = (await once(asking, "response")) as [IncomingMessage];
    assert.equal(answer.statusCode, 201);
    const handout = (await json(answer)) as Handout;
    endAfterwards(handout);
    return handout;
  }

  /** For instances that no page remembers. */
  function endAfterwards(handout: Handout): void {
    others.push(handout);
  }

  return {
    /** What the service keeps. */
    store: () => service.store,
    /** Where the service is, also by another name of this machine. */
    origin: (name = "127.0.0.1") => service.origin.replace("127.0.0.1", name),
    open,
    takeWithoutPage,
    endAfterwards,
  };
}

/** Ends what the tests of another block have left: it counts for the quota of the address that all tests have. */
async function endAll({ origin, opsToken }: Service): Promise<void> {
  const headers = { authorization: `Bearer ${opsToken}` };
  const open = (await (await fetch(`${origin}/ops/api/instances`, { headers })).json()) as { id: string }[];
  await Promise.all(open.map(({ id }) => fetch(`${origin}/ops/api/instances/${id}`, { method: "DELETE", headers })));
}

/** Presses the button and waits for what it gives. */
export async function getInstance(page: Page): Promise<Handout> {
  const before = (await heldBy(page)).length;
  await page.click(".key[aria-disabled=false]");
  await page.waitForSelector("[data-slip][data-state=running]");
  return until("the hand-out", async () => (await heldBy(page)).at(before));
}

/** The instances that the page's browser remembers and that have not ended. */
export async function heldBy(page: Page): Promise<Handout[]> {
  const text = await page.evaluate<string>("localStorage.getItem('getaredis.held') ?? '[]'");
  return (JSON.parse(text) as { instance: Handout; state: string }[])
    .filter(({ state }) => state !== "ended")
    .map(({ instance }) => instance);
}

/** Ends an instance without the page. */
export async function endInstance(origin: string, handout: Handout): Promise<void> {
  const answer = await fetch(`${origin}/instances/${handout.id}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${handout.token}` },
  });
  assert.equal(answer.status, 204);
}

/** What is to be read there. */
export async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).innerText()).trim();
}

/** How far the page can be scrolled sideways, in pixels. */
export function sidewaysOf(page: Page): Promise<number> {
  return page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
}

/** Logs in by the URL and pings. */
export async function ping(url: string): Promise<string> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    return await redis.ping();
  } finally {
    redis.disconnect();
  }
}
