import { randomUUID } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { runCli } from "../../apps/cli/program.ts";
import type { Remote } from "../../apps/cli/remote/remote.ts";
import { nowhere } from "../../apps/cli/nowhere.ts";
import type { Files, World } from "../../apps/cli/world.ts";
import type { TwinApi } from "../bed/twin-api.ts";

/** What a run of `getaredis` is given, over what a script has. */
export type Given = {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** What a person in a terminal types when asked; undefined: there is no terminal. */
  readonly types?: string;
  /** Columns of the terminal that the output goes to; undefined: there is none. */
  readonly columns?: number;
  readonly fetch?: World["fetch"];
  /** What it reaches besides the API; nothing when not given. */
  readonly remote?: Partial<Remote>;
  readonly service?: string;
  readonly interrupted?: AbortSignal;
};

/** How a run ended, and what it said. */
export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** A user's folder in memory, and `getaredis` run in it, on an API in memory. */
export function createCliBed(api: Pick<TwinApi, "call" | "origin" | "service">) {
  const files = new Map<string, string>();
  const asked: string[] = [];
  /** Requests as they were sent, in order. */
  const sent: Request[] = [];
  const pauses: number[] = [];

  const overApi: World["fetch"] = async (request) => {
    sent.push(request.clone());
    const { method, headers } = request;
    const body = await request.text();
    return api.call(request.url.replace(/^https?:\/\/[^/]+/, api.origin), {
      method,
      headers,
      redirect: "manual",
      ...(body !== "" && { body }),
    });
  };

  async function run(args: readonly string[], given: Given = {}): Promise<Ran> {
    const { columns, types, fetch = overApi } = given;
    const out: string[] = [];
    const err: string[] = [];
    const isTerminal = columns !== undefined || types !== undefined;
    const code = await runCli({
      args,
      env: { HOME: "/home/user", ...given.env },
      stdout: { write: (text) => void out.push(text), isTerminal, columns },
      stderr: { write: (text) => void err.push(text), isTerminal, columns },
      stdin: {
        isTerminal: types !== undefined,
        read: () => Promise.resolve(given.stdin ?? ""),
        ask: (question) => {
          asked.push(question);
          return Promise.resolve(types ?? "");
        },
      },
      files: filesIn(files),
      fetch,
      remote: { ...nowhere.remote, ...given.remote },
      clock: api.service.time.clock,
      delay: async (ms, signal) => {
        pauses.push(ms);
        api.service.time.pass(ms);
        await turn();
        signal.throwIfAborted();
      },
      newKey: randomUUID,
      interrupted: given.interrupted ?? new AbortController().signal,
      package: { version: "1.2.3", service: given.service ?? api.origin },
    });
    return { code, stdout: out.join(""), stderr: err.join("") };
  }

  return { run, files, asked, sent, pauses, overApi };
}

function filesIn(files: Map<string, string>): Files {
  return {
    read: (path) => Promise.resolve(files.get(path)),
    write: (path, text, { isNew = false } = {}) => {
      if (isNew && files.has(path)) return Promise.reject(new Error("it is there already"));
      files.set(path, text);
      return Promise.resolve();
    },
    list: (folder) =>
      Promise.resolve(
        [...files.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1)),
      ),
    remove: (path) => {
      files.delete(path);
      return Promise.resolve();
    },
  };
}
