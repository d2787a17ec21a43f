import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import type { Browser, Page } from "playwright-core";
import { LAB_COMMANDS } from "../../infra/lab/commands.ts";
import { chooseImageServer } from "../../infra/servers/redis-image.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { withSystemFolders } from "../../infra/process/system-folders.ts";
import { ensureSystemPackages } from "../../infra/servers/system-packages.ts";
import { startTestLab, type TestLab } from "../bed/lab.ts";
import { until } from "../bed/until.ts";
import { launchChromium, visit } from "../e2e/chromium.ts";

/**
 * The `npm run pictures` program: a fleet lives for some minutes in the lab, with people coming and going,
 * and the pages are photographed as they are then. Every number in the README's pictures comes from that.
 */
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const PICTURES = projectPath("test/e2e/pictures");
const SIZES = { "": { width: 1440, height: 900 }, "-phone": { width: 390, height: 844 } } as const;
const sizes = Object.keys(SIZES) as (keyof typeof SIZES)[];
const COLOURS = ["light", "dark"] as const;
/** How much of each page is worth a picture, in pixels from its top. */
const HEIGHTS = { homepage: 1190, "homepage-phone": 1688, ops: 1780, "ops-phone": 2400 } as const;
/** People, each at an address of their own. */
const PEOPLE = 60;
const COMMANDS = [
  'SET greeting "hello"',
  "GET greeting",
  "HSET user:1 name Ada role engineer",
  "HGETALL user:1",
  "ZADD scores 12 ada 9 grace",
  "ZRANGE scores 0 -1 WITHSCORES",
  "CONFIG GET *",
];

const { values } = parseArgs({ options: { minutes: { type: "string", default: "25" } } });
const minutes = Number(values.minutes);
if (!Number.isInteger(minutes) || minutes < 1)
  throw new Error(`--minutes must be a whole number of minutes from 1, not "${values.minutes}"`);
process.env["PATH"] = withSystemFolders(process.env["PATH"]);
await ensureSystemPackages([...LAB_COMMANDS, await chooseImageServer(), "chromium-headless-shell"]);
await mkdir(PICTURES, { recursive: true });

const lab = await startTestLab({
  env: {
    HOST_CAPACITY: "20",
    DROPLET_CAP: "8",
    SURPLUS_SECONDS: "60",
    SILENT_REPLACE_SECONDS: "60",
    SILENT_GRACE_SECONDS: "1800",
    BOOT_TIMEOUT_SECONDS: "600",
    LEASE_SECONDS: "43200",
    TRUST_PROXY: "loopback",
    QUOTA_PER_ADDRESS: "3",
    SCALE_CRON: "*/10 * * * * *",
  },
  say: console.log,
});
try {
  const browser = await launchChromium();
  try {
    console.log(`… ${minutes} minutes of a fleet's life`);
    const over = new AbortController();
    const living = live(lab, minutes * MINUTE, over.signal);
    await sleep(minutes * MINUTE);
    const looks = COLOURS.flatMap((colorScheme) => sizes.map((size) => ({ colorScheme, size })));
    for (const look of looks) await photographDashboard(browser, lab, look);
    over.abort();
    await living;
    // Chromium gives up what it loads whenever a machine comes or goes.
    await fetch(`${lab.origin}/ops/api/switches/scaling`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${lab.opsToken}`, "content-type": "application/json" },
      body: JSON.stringify({ paused: true }),
    });
    for (const look of looks) await photographHomepage(browser, lab, look);
  } finally {
    await browser.close();
  }
} finally {
  await lab.stop();
}

/** People come, more of them as the minutes go by, and stay for some minutes; one in five leaves early. */
async function live(lab: TestLab, growingMs: number, end: AbortSignal): Promise<void> {
  await until("a host takes instances", async () => (await fetch(`${lab.origin}/readyz`)).ok, MINUTE);
  const startedAt = performance.now();
  while (!end.aborted) {
    void stay(lab, 120 + Math.random() * 600).catch(
      (fault: unknown) => end.aborted || console.log(`somebody got none: ${String(fault)}`),
    );
    const rest = Math.max(0, 1 - (performance.now() - startedAt) / growingMs);
    await sleep((4 + 6 * rest) * Math.random() * SECOND);
  }
}

async function stay(lab: TestLab, seconds: number): Promise<void> {
  const handout = await handOut(lab, Math.round(seconds));
  if (!handout || Math.random() > 0.2) return;
  await sleep((seconds / 3) * SECOND);
  await fetch(`${lab.origin}/instances/${handout.id}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${handout.token}` },
  });
}

async function handOut(lab: TestLab, ttlSeconds: number): Promise<{ id: string; token: string } | undefined> {
  const answer = await fetch(`${lab.origin}/instances`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-forwarded-for": person() },
    body: JSON.stringify({ ttlSeconds }),
  });
  return answer.status === 201 ? ((await answer.json()) as { id: string; token: string }) : undefined;
}

function person(): string {
  return `198.51.100.${1 + Math.floor(Math.random() * PEOPLE)}`;
}

interface Look {
  colorScheme: (typeof COLOURS)[number];
  size: keyof typeof SIZES;
}

async function photographDashboard(browser: Browser, lab: TestLab, look: Look): Promise<void> {
  const { page, close } = await openAs(browser, `${lab.origin}/ops`, look);
  await page.fill("#token", lab.opsToken);
  await page.click("button:has-text('Log in')");
  await page.waitForSelector("[data-news=live]");
  await page.waitForSelector("[data-plots] svg");
  await page.waitForSelector("[data-events] li");
  await save(page, "ops", look);
  await close();
}

async function photographHomepage(browser: Browser, lab: TestLab, look: Look): Promise<void> {
  const { page, close } = await openAs(browser, lab.origin, look);
  await page.click(".key[aria-disabled=false]");
  await page.waitForSelector("#command:enabled");
  await page.click(".ways label:has-text('Node')");
  for (const command of COMMANDS) {
    await page.fill("#command", command);
    await page.press("#command", "Enter");
    await page.waitForSelector("#command:enabled");
  }
  await work(page);
  await page.evaluate("document.activeElement.blur(); scrollTo(0, 0)");
  await save(page, "homepage", look);
  await close();
}

function openAs(browser: Browser, url: string, { colorScheme, size }: Look): ReturnType<typeof visit> {
  return visit(browser, url, { viewport: SIZES[size], colorScheme, extraHTTPHeaders: { "x-forwarded-for": person() } });
}

async function save(page: Page, name: "ops" | "homepage", { colorScheme, size }: Look): Promise<void> {
  const path = `${PICTURES}/${name}${size}-${colorScheme}.png`;
  await page.screenshot({
    path,
    fullPage: true,
    clip: { x: 0, y: 0, width: SIZES[size].width, height: HEIGHTS[`${name}${size}`] },
  });
  console.log(`✓ ${path}`);
}

/** An application at work for as long as the figures' plots need to show something. */
async function work(page: Page): Promise<void> {
  const [{ instance }] = JSON.parse(await page.evaluate<string>("localStorage.getItem('getaredis.held')")) as [
    { instance: { url: string } },
  ];
  const clients: Redis[] = [];
  // None may go on to look for an instance that has ended with the lab.
  const connect = async () => {
    const client = new Redis(instance.url, { lazyConnect: true, retryStrategy: () => null });
    client.on("error", () => undefined);
    clients.push(client);
    await client.connect();
  };
  try {
    for (let second = 0; second < 75; second++) {
      if (second % 20 === 0) await connect();
      const some = 4 + Math.round(12 * Math.random() * (1 + Math.sin(second / 9)));
      for (let each = 0; each < some; each++)
        await clients[each % clients.length]?.set(`job:${second}:${each}`, "x".repeat(1_000));
      await sleep(SECOND);
    }
  } finally {
    for (const client of clients) client.disconnect();
  }
}
