import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import type { WriteStream } from "node:tty";
import { thisNetwork } from "./remote/this-network.ts";
import type { Files, Package, Screen, World } from "./world.ts";

/** The machine that this process runs on. */
export async function thisMachine(): Promise<World> {
  const interruption = listenForInterruption();
  return {
    args: process.argv.slice(2),
    env: process.env,
    stdout: screenOf(process.stdout),
    stderr: screenOf(process.stderr),
    stdin: {
      isTerminal: process.stdin.isTTY,
      read: () => text(process.stdin),
      ask: (question) => askPerson(question, interruption),
    },
    files,
    remote: thisNetwork,
    fetch: (request, init) => fetch(request, init),
    clock: () => new Date(),
    delay: (ms, signal) => delay(ms, undefined, { signal }),
    newKey: randomUUID,
    interrupted: interruption.signal,
    package: await readPackage(),
  };
}

/** A line that a person types; empty when they end the input in place of it. */
async function askPerson(question: string, interruption: AbortController): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // While a terminal is read, it sends no signal.
  lines.once("SIGINT", () => interruption.abort(new Error("interrupted")));
  const { signal } = interruption;
  try {
    const ended = once(lines, "close", { signal }).then(() => "");
    return await Promise.race([lines.question(question, { signal }), ended]);
  } catch {
    // Ctrl-D, unless it was Ctrl-C.
    signal.throwIfAborted();
    return "";
  } finally {
    lines.close();
  }
}

function screenOf(stream: WriteStream): Screen {
  // Whoever reads it may have enough, as head does.
  stream.on("error", (fault: NodeJS.ErrnoException) => {
    if (fault.code === "EPIPE") process.exit(0);
    throw fault;
  });
  return {
    write: (text) => void stream.write(text),
    isTerminal: stream.isTTY,
    columns: stream.isTTY ? stream.columns : undefined,
  };
}

const files: Files = {
  read: (path) => readFile(path, "utf8").catch(undefinedIfMissing),
  write: async (path, content, { isNew = false } = {}) => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, content, { mode: 0o600, flag: isNew ? "wx" : "w" });
  },
  list: async (folder) => (await readdir(folder).catch(undefinedIfMissing)) ?? [],
  remove: (path) => rm(path, { force: true }),
};

function undefinedIfMissing(fault: NodeJS.ErrnoException): undefined {
  if (fault.code !== "ENOENT") throw fault;
}

/** The first Ctrl-C stops what is asked of the service; a second one ends the process as it does elsewhere. */
function listenForInterruption(): AbortController {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => controller.abort(new Error("interrupted")));
  return controller;
}

/** In a checkout the project's, and in the package that a service hands out its own, two folders above in both. */
async function readPackage(): Promise<Package> {
  const { version, getaredis } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
    readonly getaredis?: { readonly service?: string };
  };
  return { version, service: getaredis?.service };
}
