import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import { Redis } from "ioredis";
import { createPool, type Pool } from "mysql2/promise";
import type { Browser, BrowserContextOptions, ElementHandle, Page } from "playwright-core";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";
import { launchChromium, visit, type Visit } from "./chromium.ts";

export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

/**
 * A service of two hosts with its dashboard in Chromium, for all tests of a process; each test leaves all
 * hosts open and empty.
 */
export interface Dashboard {
  readonly service: Service;
  readonly database: Pool;
  /** A call of the operator's, by token. */
  operate: (path: string, method: string, body?: object) => Promise<Response>;
  handOut: () => Promise<Handout>;
  /** The page as a new visitor sees it. */
  open: (options?: BrowserContextOptions) => Promise<Page>;
  /** Logs in on an open page, and waits for the fleet. */
  enter: (page: Page) => Promise<void>;
  /** The page of a visitor who has logged in, with the fleet on it. */
  logIn: (options?: BrowserContextOptions) => Promise<Page>;
}

interface Bed {
  service: Service;
  browser: Browser;
  database: Pool;
}

let begun: Promise<Bed> | undefined;

async function startBed(): Promise<Bed> {
  // Tests take rows of hosts away, which the service never does: only a reading of all hosts shows that.
  const env = { QUOTA_PER_ADDRESS: "8", FLEET_REREAD_SECONDS: "1" };
  const service = await startService({ hostNames: ["host-a", "host-b"], capacity: 4, env });
  const database = createPool({ uri: service.env["MYSQL_URL"] ?? "", timezone: "Z" });
  return { service, database, browser: await launchChromium() };
}

after(async () => {
  const bed = await begun;
  if (!bed) return;
  try {
    await bed.browser.close();
    await bed.database.end();
  } finally {
    await bed.service.stop();
  }
});

/** Starts it all before the tests of the first `describe` that calls this; it stops after the last test of all. */
export function useDashboard(): Dashboard {
  let service: Service;
  let browser: Browser;
  let database: Pool;
  let visits: Visit[] = [];

  before(async () => {
    ({ service, browser, database } = await (begun ??= startBed()));
  });

  afterEach(async () => {
    const closing = visits;
    visits = [];
    await Promise.all(closing.map(({ close }) => close()));
    await operate("/switches/handouts", "PATCH", { paused: false });
    for (const { id } of (await (await operate("/instances", "GET")).json()) as { id: string }[])
      await operate(`/instances/${id}`, "DELETE");
    for (const { address } of (await (await operate("/blocks", "GET")).json()) as { address: string }[])
      await operate(`/blocks?address=${encodeURIComponent(address)}`, "DELETE");
    for (const { name } of (await (await operate("/services", "GET")).json()) as { name: string }[])
      await operate(`/services/${name}`, "DELETE");
    for (const name of ["host-a", "host-b"]) await operate(`/hosts/${name}`, "PATCH", { state: "active" });
    await clearRateLimits();
    await until("all hosts are open and empty", async () =>
      ((await (await operate("/hosts", "GET")).json()) as { standing: string; occupied: number }[]).every(
        ({ standing, occupied }) => standing === "open" && occupied === 0,
      ),
    );
    assert.deepEqual(
      closing.flatMap(({ faults }) => faults),
      [],
      "no script error and nothing against the content security policy",
    );
  });

  const operate = (path: string, method: string, body?: object) =>
    fetch(`${service.origin}/ops/api${path}`, {
      method,
      headers: { authorization: `Bearer ${service.opsToken}`, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });

  /** Log-ins are few a minute for an address. */
  async function clearRateLimits(): Promise<void> {
    const redis = new Redis(service.services.redisUrl);
    const keys = await redis.keys("rate:*");
    if (keys.length > 0) await redis.del(...keys);
    redis.disconnect();
  }

  async function open(options: BrowserContextOptions = {}): Promise<Page> {
    const opened = await visit(browser, `${service.origin}/ops`, { viewport: DESKTOP, ...options });
    visits.push(opened);
    return opened.page;
  }

  async function enter(page: Page): Promise<void> {
    await page.fill("#token", service.opsToken);
    await page.click("button:has-text('Log in')");
    await page.waitForSelector("[data-news=live]");
    await page.waitForSelector("[data-host=host-b]");
  }

  return {
    get service() {
      return service;
    },
    get database() {
      return database;
    },
    operate,
    handOut: async () => {
      const answer = await fetch(`${service.origin}/instances`, { method: "POST" });
      assert.equal(answer.status, 201, await answer.clone().text());
      return (await answer.json()) as Handout;
    },
    open,
    enter,
    logIn: async (options) => {
      const page = await open(options);
      await enter(page);
      return page;
    },
  };
}

/** Waits until a tile says how its host stands. */
export function standing(page: Page, name: string, word: string): Promise<ElementHandle> {
  return page.waitForSelector(`[data-host="${name}"] [data-standing]:text-is("${word}")`);
}

/** Waits until so many more news of the stream have come to a page. */
export async function takeNews(page: Page, count: number): Promise<void> {
  const session = await page.context().newCDPSession(page);
  let taken = 0;
  session.on("Network.eventSourceMessageReceived", () => {
    taken++;
  });
  await session.send("Network.enable");
  await until(`${count} news`, () => taken >= count);
  await session.detach();
}
