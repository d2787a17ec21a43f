import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
  type Request,
} from "playwright-core";

/**
 * Chromium without a desktop's interface around its pages: the same engine for half the processor time.
 * Debian's package of that name puts it here.
 */
const EXECUTABLE = "/usr/bin/chromium-headless-shell";
/** A name of this machine that browsers do not trust as they trust localhost: pages under it are no secure context. */
export const PLAIN_HTTP_NAME = "getaredis.test";
/** No sandbox, for tests run as root in containers; none of the services that Chromium would call at home. */
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--renderer-process-limit=1",
  `--host-resolver-rules=MAP ${PLAIN_HTTP_NAME} 127.0.0.1`,
];

/** For each step on a page: a cold start takes well under a second, and a busy machine makes of it many. */
const PATIENCE_MS = 60_000;
/** Of a page, while the machine's network changes. */
const MOST_LOADS = 10;

/** A page in a browser profile of its own, with all that went wrong in it so far. */
export interface Visit {
  page: Page;
  context: BrowserContext;
  /** What the page must never have: script errors, and what its content security policy forbade. */
  faults: string[];
  close: () => Promise<void>;
}

/** Starts a headless Chromium. The caller closes it, which ends all its processes. */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
}

/** Opens a page as a new visitor: nothing stored. The caller closes the visit. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  // What moves for ever is drawn anew sixty times a second, by the processor.
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text());
  });
  // Chromium gives up requests that still wait for a connection when the machine gets a new address, as it does for
  // each droplet of a lab: a page without some of its scripts is no finding about it.
  const givenUp: string[] = [];
  const onFailed = (request: Request) => {
    if (request.failure()?.errorText === "net::ERR_NETWORK_CHANGED") givenUp.push(request.url());
  };
  page.on("requestfailed", onFailed);
  try {
    for (let loads = 1; ; loads++) {
      givenUp.length = 0;
      await page.goto(url).catch((cause: unknown) => {
        if (givenUp.length === 0) throw cause;
      });
      if (givenUp.length === 0) break;
      if (loads === MOST_LOADS) throw new Error(`given up each time, as the network changed: ${givenUp.join(", ")}`);
    }
  } catch (cause) {
    await context.close();
    throw cause;
  }
  page.off("requestfailed", onFailed);
  return { page, context, faults, close: () => context.close() };
}

/** What axe-core finds of the impacts "serious" and "critical": one line each, with the first element concerned. */
export async function seriousViolations(page: Page): Promise<string[]> {
  axeSource ??= readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  // Evaluated through the debugger, which the page's content security policy does not bind.
  await page.evaluate(await axeSource);
  const { violations } = await page.evaluate<{ violations: AxeViolation[] }>("axe.run()");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html ?? ""}`);
}

interface AxeViolation {
  id: string;
  impact: string | null;
  help: string;
  nodes: { html: string }[];
}

let axeSource: Promise<string> | undefined;
