import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import type { Browser, Page } from "playwright-core";
import { projectPath } from "../../infra/local/project-path.ts";
import { ensureSystemPackages, withSystemFolders } from "../../infra/local/system-packages.ts";
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
const COLOURS = ["light", "dark"] as const;
/** How much of each page is worth a picture, in pixels from its top. */
const HEIGHTS = { "homepage": 1190, "homepage-phone": 1688, "ops": 1780, "ops-phone": 2400 } as const;
/** People, each at an address of their own. */
const PEOPLE = 60;
const COMMANDS = ['SET greeting "hello"', "GET greeting", "HSET user:1 name Ada role engineer", "HGETALL user:1", "ZADD scores 12 ada 9 grace", "ZRANGE scores 0 -1 WITHSCORES", "CONFIG GET *"];

const { values } = parseArgs({ options: { minutes: { type: "string", default: "25" } } });
const minutes = Number(values.minutes);
if (!Number.isInteger(minutes) || minutes < 1) throw new Error(`--minutes must be a whole number of minutes from 1, not "${values.minutes}"`);
process.env["PATH"] = withSystemFolders(process.env["PATH"]);
await ensureSystemPackages(["bash", "docker", "dockerd", "iptables", "nft", "ip", "systemctl", "dbus-daemon", "openssl", "curl", "redis-server", "mariadbd", "mariadb-install-db", "my_print_defaults", "chromium"]);
await mkdir(PICTURES, { recursive: true });

const lab = await startTestLab({
  env: { HOST_CAPACITY: "20", DROPLET_CAP: "8", SURPLUS_SECONDS: "60", SILENT_REPLACE_SECONDS: "60", SILENT_GRACE_SECONDS: "1800", BOOT_TIMEOUT_SECONDS: "600", LEASE_SECONDS: "43200", TRUST_PROXY: "loopback", QUOTA_PER_ADDRESS: "3", SCALE_CRON: "*/10 * * * * *" },
  say: console.log,
});
try {
  const browser = await launchChromium();
  try {
    console.log(`… ${minutes} minutes of a fleet's life`);
    await live(lab, minutes * MINUTE);
    for (const colour of COLOURS) for (const size of Object.keys(SIZES) as (keyof typeof SIZES)[]) await photograph(browser, lab, colour, size);
  } finally {
    await browser.close();
  }
} finally {
  await lab.stop();
}

/** People come, more of them each minute, and stay for some minutes; one in five leaves early. */
async function live(lab: TestLab, forMs: number): Promise<void> {
  const endAt = performance.now() + forMs;
  const visits = new Set<Promise<unknown>>();
  await until("a host has come", () => handOut(lab, 600), MINUTE);
  while (performance.now() < endAt) {
    const coming = stay(lab, 120 + Math.random() * 600).catch((fault: unknown) => console.log(`somebody got none: ${String(fault)}`));
    visits.add(coming);
    void coming.then(() => visits.delete(coming));
    await sleep((2 + (3 * (endAt - performance.now())) / forMs) * 2 * Math.random() * SECOND);
  }
  // Those who are still there stay for the pictures.
}

async function stay(lab: TestLab, seconds: number): Promise<void> {
  const handout = await handOut(lab, Math.round(seconds));
  if (!handout || Math.random() > 0.2) return;
  await sleep((seconds / 3) * SECOND);
  await fetch(`${lab.origin}/instances/${handout.id}`, { method: "DELETE", headers: { authorization: `Bearer ${handout.token}` } });
}

async function handOut(lab: TestLab, ttlSeconds: number): Promise<{ id: string; token: string } | undefined> {
  const person = `198.51.100.${1 + Math.floor(Math.random() * PEOPLE)}`;
  const answer = await fetch(`${lab.origin}/instances`, { method: "POST", headers: { "content-type": "application/json", "x-forwarded-for": person }, body: JSON.stringify({ ttlSeconds }) });
  return answer.status === 201 ? ((await answer.json()) as { id: string; token: string }) : undefined;
}

async function photograph(browser: Browser, lab: TestLab, colorScheme: (typeof COLOURS)[number], size: keyof typeof SIZES): Promise<void> {
  const look = { viewport: SIZES[size], colorScheme, deviceScaleFactor: 1 };
  const save = async (page: Page, name: keyof typeof HEIGHTS) => {
    const path = `${PICTURES}/${name}-${colorScheme}.png`;
    await page.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width: SIZES[size].width, height: HEIGHTS[name] } });
    console.log(`✓ ${path}`);
  };
  const dashboard = await visit(browser, `${lab.origin}/ops`, look);
  await dashboard.page.fill("#token", lab.opsToken);
  await dashboard.page.click("button:has-text('Log in')");
  await dashboard.page.waitForSelector("[data-news=live]");
  await dashboard.page.waitForSelector("[data-plots] svg");
  await dashboard.page.waitForSelector("[data-events][aria-busy=false]");
  await save(dashboard.page, `ops${size}`);
  await dashboard.close();

  const { page, close } = await visit(browser, lab.origin, look);
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
  await save(page, `homepage${size}`);
  await page.click("[data-act=end]");
  await page.click("[data-act=end-now]");
  await page.waitForSelector("[data-slip][data-state=ended]");
  await close();
}

/** An application at work for as long as the figures' plots need to show something. */
async function work(page: Page): Promise<void> {
  const [{ instance }] = JSON.parse(await page.evaluate<string>("localStorage.getItem('getaredis.held')")) as [{ instance: { url: string } }];
  const clients = [new Redis(instance.url)];
  for (let second = 0; second < 75; second++) {
    if (second % 20 === 19) clients.push(new Redis(instance.url));
    const some = 4 + Math.round(12 * Math.random() * (1 + Math.sin(second / 9)));
    for (let each = 0; each < some; each++) await clients[each % clients.length]?.set(`job:${second}:${each}`, "x".repeat(1_000));
    await sleep(SECOND);
  }
  for (const client of clients) client.disconnect();
}
