import { createConnection } from "node:net";
import { PlaneFault } from "../../core/edge/plane-fault.ts";

/** HAProxy's own answers, over one of its sockets. */
export type Runtime = {
  /**
   * Sends one line and returns the answer.
   * @param payload lines that belong to the command; HAProxy takes 10 KB or so of them at once
   */
  readonly ask: (command: string, payload?: readonly string[]) => Promise<string>;
  /**
   * Sends commands that answer nothing when they succeed, as many at once as go into one line.
   * @throws PlaneFault when one answers something that `isFine` does not take
   */
  readonly doAll: (commands: readonly string[], isFine?: (answer: string) => boolean) => Promise<void>;
};

/** Of 16 KB that HAProxy's buffer has, which the words around it need, too. */
const MOST_BYTES = 10_000;

/**
 * Speaks to HAProxy over the socket at a path; calls throw `PlaneFault` when it does not answer in time.
 * @param masterPath socket of the process above: it passes on what is asked while the other socket's file is missing,
 *   which nothing but a new start would make again
 */
export function createRuntime(socketPath: string, timeoutMs: number, masterPath?: string): Runtime {
  async function ask(command: string, payload?: readonly string[]): Promise<string> {
    const text = payload === undefined ? command : `${command} <<\n${payload.join("\n")}\n`;
    return (await say([text])).trim();
  }

  async function doAll(commands: readonly string[], isFine: (answer: string) => boolean = isNothing): Promise<void> {
    for (const some of inParts(commands)) {
      const answer = await say(some);
      for (const line of answer.split("\n"))
        if (!isFine(line.trim())) throw new PlaneFault(`HAProxy refused one of "${some[0] ?? ""}" …: ${line.trim()}`);
    }
  }

  async function say(commands: readonly string[]): Promise<string> {
    try {
      return await exchange(socketPath, commands.join(";"), timeoutMs);
    } catch (fault) {
      if (masterPath === undefined || !isMissing(fault)) throw fault;
      return exchange(masterPath, commands.map((command) => `@1 ${command}`).join(";"), timeoutMs);
    }
  }

  return { ask, doAll };
}

function isMissing(fault: unknown): boolean {
  return fault instanceof PlaneFault && (fault.cause as NodeJS.ErrnoException).code === "ENOENT";
}

function isNothing(answer: string): boolean {
  return answer === "";
}

/** Parts of a list that each go to HAProxy at once. */
export function* inParts(lines: readonly string[]): Generator<string[]> {
  let part: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    if (bytes + line.length + 1 > MOST_BYTES && part.length > 0) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(line);
    bytes += line.length + 1;
  }
  if (part.length > 0) yield part;
}

/** HAProxy answers one line, and closes. */
function exchange(path: string, text: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = createConnection(path);
    // Not the socket's own time-out: that one begins anew with each byte.
    const timer = setTimeout(() => fail(new Error(`no whole answer within ${timeoutMs} ms`)), timeoutMs);
    function fail(cause: Error): void {
      clearTimeout(timer);
      socket.destroy();
      const [what = ""] = text.split("\n");
      reject(new PlaneFault(`HAProxy does not answer "${what.slice(0, 80)}": ${cause.message}`, { cause }));
    }
    socket.on("error", fail);
    socket.on("data", (chunk) => void chunks.push(chunk));
    socket.on("end", () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("latin1"));
    });
    // The process above the others answers until it hears that nothing more comes.
    socket.end(`${text}\n`);
  });
}
