import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { PlaneFault } from "../../core/edge/plane-fault.ts";
import { messageOf } from "../../lib/errors.ts";
import { haproxyFiles, type HaproxyFiles } from "./files.ts";
import { readWorkers } from "./processes.ts";
import { createRuntime, type Runtime } from "./runtime.ts";

const run = promisify(execFile);

/** Files of a configuration, by their paths; the configuration itself is among them. */
export type HaproxyContent = (files: HaproxyFiles) => ReadonlyMap<string, string>;

/** A HAProxy of ours: one process that serves, and one above it that starts it and takes on new configurations. */
export type Haproxy = {
  readonly files: HaproxyFiles;
  /**
   * Has HAProxy run with this: tests it, writes it, and starts or reloads, unless it runs with it already. A HAProxy
   * that an earlier process has started is taken over. Connections that are open go on.
   * @param around what is done about the moment in which one configuration takes another's place: what it was tested
   *   with may have changed by then, and is asked for again
   * @throws PlaneFault when it fails the test, with HAProxy's own words: what ran before runs on; and when it does not
   *   serve afterwards
   */
  readonly bring: (content: HaproxyContent, around?: (replace: () => Promise<void>) => Promise<void>) => Promise<void>;
  /**
   * What HAProxy has against a configuration, in its own words; undefined when nothing. Changes nothing that is in force.
   */
  readonly refusal: (content: HaproxyContent) => Promise<string | undefined>;
  /** Writes the files for the next start or reload, and does neither. */
  readonly write: (content: HaproxyContent) => Promise<void>;
  /** Whether the process above is there, whatever it does. */
  readonly isRunning: () => Promise<boolean>;
  /** Ends it and all its connections, by force when it does not end by itself. */
  readonly stop: () => Promise<void>;
  /** SIGKILL to all of it. */
  readonly kill: () => Promise<void>;
};

const POLL_MS = 20;
const START_MS = 20_000;
const STOP_MS = 5_000;
const TEST_MS = 60_000;
const ANSWER_MS = 2_000;
const SBIN = "/usr/local/sbin:/usr/sbin:/sbin";

/** A HAProxy with its files in `dir`. Nothing runs before the first `bring`. */
export function createHaproxy(dir: string): Haproxy {
  const files = haproxyFiles(dir);
  const runtime = createRuntime(files.runtimeSocket, ANSWER_MS, files.masterSocket);
  const above = createRuntime(files.masterSocket, ANSWER_MS);
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:${SBIN}` };

  const bring: Haproxy["bring"] = async (content, around = (replace) => replace()) => {
    if ((await isRunning()) && (await isInForce(content))) return;
    const refused = await refusal(content);
    if (refused !== undefined) throw new PlaneFault(`HAProxy refuses its configuration: ${refused}`);
    await around(() => replace(content));
  };

  async function replace(content: HaproxyContent): Promise<void> {
    const master = await masterPid(files);
    // Whoever is killed from here on has left it open what HAProxy runs with.
    await rm(files.inForce, { force: true });
    await writeAll(content(files));
    // One that does not answer would not give its ports away.
    if (master !== undefined && (await workerPid()) !== undefined) await reload(master);
    else {
      await kill();
      await start();
    }
    await writeAll(new Map([[files.inForce, markOf(content(files))]]));
  }

  /** Whether a HAProxy serves that runs with this; its routes may differ, which are changed while it runs. */
  async function isInForce(content: HaproxyContent): Promise<boolean> {
    const mark = await readFile(files.inForce, "utf8").catch(() => undefined);
    return mark === markOf(content(files)) && (await workerPid()) !== undefined;
  }

  function markOf(contents: ReadonlyMap<string, string>): string {
    const hash = createHash("sha256");
    for (const [path, text] of contents) if (path !== files.routes) hash.update(`${path}\0${text}\0`);
    return hash.digest("hex");
  }

  /** Has HAProxy read it in a folder of its own, so that nothing that is in force changes. */
  async function refusal(content: HaproxyContent): Promise<string | undefined> {
    const aside = haproxyFiles(`${dir}/test`);
    try {
      await mkdir(aside.dir, { recursive: true, mode: 0o700 });
      await writeAll(content(aside));
      await run("haproxy", ["-c", "-f", aside.config], { env, timeout: TEST_MS });
      return undefined;
    } catch (fault) {
      const { stderr } = fault as { stderr?: string };
      return alertsIn(stderr ?? "") || messageOf(fault);
    } finally {
      await rm(aside.dir, { recursive: true, force: true });
    }
  }

  async function start(): Promise<void> {
    await rm(files.pid, { force: true });
    const log = await open(files.log, "w", 0o600);
    // In a session of its own: a Ctrl-C reaches us and not it, and it serves on when we are killed.
    const child = spawn(
      "haproxy",
      ["-W", "-S", `${files.masterSocket},mode,600`, "-p", files.pid, "-f", files.config],
      {
        detached: true,
        stdio: ["ignore", log.fd, log.fd],
        env,
        cwd: dir,
      },
    );
    let ended: string | undefined;
    child.once("error", (fault) => (ended = fault.message));
    child.once("exit", (code, signal) => (ended = signal ?? `code ${code ?? "unknown"}`));
    child.unref();
    await log.close();
    const deadline = performance.now() + START_MS;
    // The process above may answer later than the one that serves.
    while ((await workerPid()) === undefined || !(await isAnswering(above))) {
      if (ended !== undefined)
        throw new PlaneFault(`HAProxy ended while it started (${ended}): ${alertsIn(await readLog())}`);
      if (performance.now() > deadline) {
        await kill();
        throw new PlaneFault(`HAProxy does not answer after its start: ${alertsIn(await readLog())}`);
      }
      await delay(POLL_MS);
    }
  }

  async function reload(master: number): Promise<void> {
    const before = await workerPid();
    const logged = (await readLog()).length;
    process.kill(master, "SIGUSR2");
    const deadline = performance.now() + START_MS;
    for (;;) {
      const now = await workerPid();
      // The process above begins anew as well, and may be later.
      if (now !== undefined && now !== before && (await isAnswering(above))) return;
      const said = (await readLog()).slice(logged);
      // A port may be taken, which no test finds: those that served before serve on.
      if (said.includes("Loading failure") || performance.now() > deadline)
        throw new PlaneFault(`HAProxy has not taken on its configuration: ${alertsIn(said)}`);
      await delay(POLL_MS);
    }
  }

  /** Of the process that serves, by its own word; undefined when none answers. */
  async function workerPid(): Promise<number | undefined> {
    const info = await runtime.ask("show info").catch(() => undefined);
    const pid = /^Pid: (\d+)$/m.exec(info ?? "")?.[1];
    return pid === undefined ? undefined : Number(pid);
  }

  async function isAnswering(socket: Runtime): Promise<boolean> {
    return readWorkers(socket).then(
      ({ serving }) => serving.length > 0,
      () => false,
    );
  }

  async function isRunning(): Promise<boolean> {
    return (await masterPid(files)) !== undefined;
  }

  async function stop(): Promise<void> {
    const master = await masterPid(files);
    if (master === undefined) return;
    signal(master, "SIGTERM");
    const deadline = performance.now() + STOP_MS;
    while (await isRunning()) {
      if (performance.now() > deadline) return kill();
      await delay(POLL_MS);
    }
  }

  async function kill(): Promise<void> {
    const master = await masterPid(files);
    if (master === undefined) return;
    const workers = await readWorkers(above).catch(() => undefined);
    // The whole session; those that it has forgotten about, one by one.
    signal(-master, "SIGKILL");
    for (const pid of [...(workers?.serving ?? []), ...(workers?.leaving ?? [])]) signal(pid, "SIGKILL");
    while (await isRunning()) await delay(POLL_MS);
  }

  async function readLog(): Promise<string> {
    return readFile(files.log, "utf8").catch(() => "");
  }

  return { files, bring, refusal, write: (content) => writeAll(content(files)), isRunning, stop, kill };
}

/** The process above those that serve, if it is ours and runs. */
async function masterPid({ pid: pidFile, config }: HaproxyFiles): Promise<number | undefined> {
  const text = await readFile(pidFile, "utf8").catch(() => "");
  const pid = Number(text.trim().split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  // By now, the number may be another program's; one that has ended and was not waited for has no arguments.
  const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  return words[0]?.includes("haproxy") === true && words.includes(config) ? pid : undefined;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== "ESRCH") throw fault;
  }
}

/** Writes files, each at once: whoever reads one finds all of the old or all of the new. */
async function writeAll(contents: ReadonlyMap<string, string>): Promise<void> {
  for (const [path, content] of contents) {
    await writeFile(`${path}.new`, content, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}

/** What HAProxy complains of, on one line. */
function alertsIn(log: string): string {
  const alerts = log.split("\n").filter((line) => line.includes("[ALERT]"));
  return alerts.map((line) => line.replace(/^\[ALERT\]\s+\(\d+\) : /, "")).join("; ");
}
