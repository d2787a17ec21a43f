import { CloudFault, type CloudFaultReason } from "../../core/fleet/cloud.ts";
import { ApiRefusal, exchange, type Exchange } from "./library.ts";
import { messageOf } from "../../lib/errors.ts";

/** One request that was made, for metrics. `outcome` is the status, or why there was none. */
export type CloudCall = {
  readonly method: Method;
  readonly route: string;
  readonly outcome: number | "timeout" | "unreachable";
  readonly ms: number;
};

/** How requests are made. */
export type CallSettings = {
  /** API token; in no fault's text. */
  readonly token: string;
  /** Where the API is, with its version: https://api.digitalocean.com/v2 */
  readonly url: string;
  /** Longest time of one request. */
  readonly timeoutMs: number;
  /** Longest time of one function of the adapter, over all its requests and the pauses between them. */
  readonly budgetMs: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly delay: (ms: number) => Promise<unknown>;
  /** From 0 to 1, to spread retries of several processes. */
  readonly random: () => number;
  /** Called for each request made. */
  readonly onCall: (call: CloudCall) => void;
};

/** What is asked for; `route` has parameters by name, for counting. */
export type Ask<T> = { readonly method: Method; readonly route: string; readonly request: () => Promise<T> };

type Method = "GET" | "POST" | "PUT" | "DELETE";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
const HOUR_MS = 3_600_000;
const passing: readonly CloudFaultReason[] = ["unreachable", "timeout", "server-error", "rate-limited"];

/** Makes requests within the API's rate limits. Everything throws {@link CloudFault} and nothing else. */
export function createCalls(settings: CallSettings) {
  const { token, url, timeoutMs, budgetMs, clock, delay, random, onCall } = settings;
  let quietUntil = 0;

  /** When a function that begins now must be done; milliseconds since 1970. */
  function deadline(): number {
    return clock() + budgetMs;
  }

  /** One request, never repeated: for what must not happen twice. */
  async function once<T>(ask: Ask<T>): Promise<T> {
    const end = deadline();
    await waitForQuiet(end);
    return send(ask, end);
  }

  /**
   * Repeats a request after passing faults, until `end`; then the last fault is thrown. For requests that may
   * be done twice.
   */
  async function untilAnswered<T>(ask: Ask<T>, end: number): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      await waitForQuiet(end);
      try {
        return await send(ask, end);
      } catch (fault) {
        const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt) * (0.5 + random() / 2);
        if (
          !(fault instanceof CloudFault) ||
          !passing.includes(fault.reason) ||
          Math.max(clock() + pauseMs, quietUntil) >= end
        )
          throw fault;
        await delay(pauseMs);
      }
    }
  }

  /** The same for a thing that may not exist: `missing` when the API says so. */
  async function unlessMissing<T>(ask: Ask<T>, end: number): Promise<{ readonly value: T } | "missing"> {
    try {
      return { value: await untilAnswered(ask, end) };
    } catch (fault) {
      if (isMissing(fault)) return "missing";
      throw fault;
    }
  }

  /** Makes no calls while the API has reported that its limit is reached: a call would be refused, and counted. */
  async function waitForQuiet(end: number): Promise<void> {
    const waitMs = quietUntil - clock();
    if (waitMs <= 0) return;
    if (quietUntil >= end)
      throw new CloudFault(
        "rate-limited",
        "none",
        new Error(`the API takes no calls for another ${Math.ceil(waitMs / 1000)} s`),
      );
    await delay(waitMs);
  }

  async function send<T>({ method, route, request }: Ask<T>, end: number): Promise<T> {
    const started = clock();
    const call: Exchange = { url, token, signal: AbortSignal.timeout(Math.max(1, Math.min(timeoutMs, end - started))) };
    let failure: CloudFault | undefined;
    let answer: T | undefined;
    try {
      answer = await exchange(call, request);
    } catch (fault) {
      failure = faultOf(method, route, call, fault);
    }
    keepQuiet(call);
    const silence = call.signal.aborted ? "timeout" : "unreachable";
    onCall({ method, route, outcome: call.status ?? silence, ms: clock() - started });
    if (failure) throw failure;
    return answer as T;
  }

  /** Remembers how long the API accepts no calls: `retry-after` in seconds, or until the next hour's calls. */
  function keepQuiet({ status, header }: Exchange): void {
    const now = clock();
    const retryAfterMs = Number(header?.("retry-after")) * 1000;
    const isUsedUp = Number(header?.("ratelimit-remaining") ?? 1) <= 0;
    const resetMs = Number(header?.("ratelimit-reset")) * 1000;
    if ((status === 429 || status === 503) && retryAfterMs > 0)
      quietUntil = Math.max(quietUntil, now + Math.min(retryAfterMs, HOUR_MS));
    // Two clocks may differ; no limit of the API lasts longer than an hour.
    else if (isUsedUp && resetMs > now) quietUntil = Math.max(quietUntil, Math.min(resetMs, now + HOUR_MS));
  }

  /** The library's errors hold the request with its token and its user data: only their messages are passed on. */
  function faultOf(method: Method, route: string, call: Exchange, fault: unknown): CloudFault {
    const said = (text: string) => `${method} ${route}: ${text.replaceAll(token, "(hidden)")}`;
    const unlessReading = method === "GET" ? "none" : "unknown";
    if (fault instanceof ApiRefusal)
      return new CloudFault(
        reasonOf(fault),
        isCertain(fault) ? "none" : unlessReading,
        new ApiRefusal(fault.status, fault.id, said(`${fault.status} ${fault.message}`)),
      );
    if (call.signal.aborted) return new CloudFault("timeout", unlessReading, new Error(said("no answer in time")));
    const text = messageOf(fault);
    // An answer that the library could not read is still an answer.
    return new CloudFault(call.status === undefined ? "unreachable" : "refused", unlessReading, new Error(said(text)));
  }

  /** A fault for an answer that does not have the expected form. */
  function misshapen({ method, route }: Pick<Ask<unknown>, "method" | "route">, what: string): CloudFault {
    return new CloudFault(
      "refused",
      method === "GET" ? "none" : "unknown",
      new Error(`${method} ${route}: the answer is not of its form: ${what}`),
    );
  }

  return { deadline, once, untilAnswered, unlessMissing, misshapen };
}

/** Whether the API itself answered that there is no such thing; a 404 of a proxy on the way does not count. */
function isMissing(fault: unknown): boolean {
  return (
    fault instanceof CloudFault &&
    fault.cause instanceof ApiRefusal &&
    fault.cause.status === 404 &&
    fault.cause.id === "not_found"
  );
}

/** Requests of one adapter. */
export type Calls = ReturnType<typeof createCalls>;

/** Whether the API itself refused: a proxy on the way may give up on a request that arrives all the same. */
function isCertain({ status }: ApiRefusal): boolean {
  return status < 500 && status !== 408;
}

function reasonOf({ status, message }: ApiRefusal): CloudFaultReason {
  if (status >= 500) return "server-error";
  if (status === 408) return "timeout";
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 429) return "rate-limited";
  if (/droplet limit/i.test(message)) return "droplet-limit";
  if (/(size|region) is (currently )?(not available|unavailable)/i.test(message)) return "out-of-stock";
  if (/pending event/i.test(message)) return "busy";
  return "refused";
}
