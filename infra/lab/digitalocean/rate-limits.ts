/** Calls that a token may make in an hour, and in a minute. */
export type RateLimits = { readonly perHour: number; readonly perMinute: number };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Counts calls over a sliding hour and a sliding minute. */
export function createRateLimits({ perHour, perMinute }: RateLimits) {
  let times: number[] = [];

  /** Takes one call, unless there are none left. @returns seconds until the next one, when a burst is over the limit */
  function take(now: number): "taken" | { readonly retryAfterSeconds: number | undefined } {
    times = times.filter((time) => time > now - HOUR_MS);
    if (times.length >= perHour) return { retryAfterSeconds: undefined };
    const burst = times[times.length - perMinute];
    if (burst !== undefined && burst > now - MINUTE_MS)
      return { retryAfterSeconds: Math.ceil((burst + MINUTE_MS - now) / 1000) };
    times.push(now);
    return "taken";
  }

  function headers(now: number): Record<string, string> {
    const reset = Math.ceil(((times[0] ?? now) + HOUR_MS) / 1000);
    return {
      "ratelimit-limit": String(perHour),
      "ratelimit-remaining": String(Math.max(0, perHour - times.length)),
      "ratelimit-reset": String(reset),
    };
  }

  return { take, headers };
}
