import type { World } from "../world.ts";
import { unreachable, type ConnectFault } from "./unreachable.ts";

/** How long calls are waited for, and for how long they are repeated, in milliseconds. */
export type Patience = { readonly timeoutMs: number; readonly retryForMs: number };

/** What sending takes of the world. */
export type SendPorts = Pick<World, "fetch" | "clock" | "delay" | "interrupted"> & {
  /** Tells its user that something is waited for. */
  readonly note: (sentence: string) => void;
};

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4000;
/** Answers of a service, or of a proxy before it, that another try may change. */
const PASSING = [429, 502, 503, 504];
/** Waits that nobody has to be told of. */
const SHORT_MS = 1500;

/**
 * Sends requests, each try with a time-out. What may be sent twice is repeated while the service cannot be reached, or
 * says that it can be asked again soon: reads, and what carries an Idempotency-Key. Anything else is repeated only
 * when it has surely not been carried out: no connection came about, or the service has counted too many requests.
 * @throws Stopped when no answer came
 */
export function createSend(ports: SendPorts, { timeoutMs, retryForMs }: Patience) {
  return async (request: Request): Promise<Response> => {
    const giveUpAt = ports.clock().getTime() + retryForMs;
    for (let pauses = 0; ; pauses++) {
      const outcome = await attempt(ports, request, timeoutMs);
      const again = againAfter(outcome, request);
      const pauseMs = again === "soon" ? pauseAfter(pauses) : again;
      if (pauseMs === undefined || ports.clock().getTime() + pauseMs > giveUpAt) {
        if ("fault" in outcome) throw unreachable(request, outcome.fault, timeoutMs);
        return outcome.response;
      }
      if (pauseMs > SHORT_MS) {
        const what = "fault" in outcome ? "does not answer" : "is busy";
        ports.note(`The service ${what}; trying again in ${Math.ceil(pauseMs / 1000)} s …`);
      }
      await ports.delay(pauseMs, ports.interrupted);
    }
  };
}

type Outcome = { readonly response: Response } | { readonly fault: unknown };

async function attempt({ fetch, interrupted }: SendPorts, request: Request, timeoutMs: number): Promise<Outcome> {
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), interrupted]);
  try {
    const response = await fetch(request.clone(), { signal });
    // Read within the time-out: an answer that stops half-way is none.
    const body = [204, 205, 304].includes(response.status) ? null : await response.arrayBuffer();
    return { response: Object.defineProperty(new Response(body, response), "url", { value: request.url }) };
  } catch (fault) {
    interrupted.throwIfAborted();
    return { fault };
  }
}

/** After which milliseconds a request is sent again; undefined: not at all. */
function againAfter(outcome: Outcome, request: Request): number | "soon" | undefined {
  const mayRepeat = request.method === "GET" || request.headers.has("idempotency-key");
  if ("fault" in outcome) return mayRepeat || wasNotSent(outcome.fault) ? "soon" : undefined;
  const { status, headers } = outcome.response;
  if (!PASSING.includes(status) || !(mayRepeat || status === 429)) return undefined;
  // Readiness tells its 503 in a form of its own.
  if (headers.get("content-type")?.startsWith("application/json") === true) return undefined;
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  // A proof of work is asked for at once: the next request would be refused like this one.
  if (seconds === 0) return undefined;
  return Number.isNaN(seconds) ? "soon" : seconds * 1000;
}

function wasNotSent(fault: unknown): boolean {
  const { code } = ((fault as Error).cause ?? {}) as ConnectFault;
  return ["ECONNREFUSED", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"].includes(code ?? "");
}

/** Longer from time to time, and by chance, so that many who wait do not come back at once. */
function pauseAfter(pauses: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** pauses) * (0.75 + Math.random() / 2);
}
