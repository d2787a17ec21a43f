import type { Ending } from "../exit-codes.ts";
import { stop, Stopped } from "../stopped.ts";
import type { Schemas } from "./client.ts";

/** A call as the client makes it. */
type Call<Value> = Promise<
  | { readonly data: Value; readonly error?: never; readonly response: Response }
  | { readonly data?: never; readonly error: unknown; readonly response: Response }
>;

/** What a call answers. @throws Stopped when it is refused */
export async function answered<Value>(call: Call<Value>): Promise<Value> {
  return (await answer(call)).value;
}

/** The same, with what the answer tells by its status and headers. */
export async function answer<Value>(call: Call<Value>) {
  const { data, error, response } = await call.catch((fault: unknown) => {
    // No JSON where there should be some.
    throw fault instanceof SyntaxError ? elsewhere(undefined, "an answer that cannot be read") : fault;
  });
  if (!response.ok) throw refused(error, response);
  const total = response.headers.get("total-count");
  return {
    value: data as Value,
    /** Whether it is taken on, and will be done later. */
    isLater: response.status === 202,
    /** Items of all pages. */
    total: total === null ? undefined : Number(total),
  };
}

/** The stop that an answer other than a success is. */
export function refused(error: unknown, response: Response): Stopped {
  const { status, headers } = response;
  const location = headers.get("location");
  if (status >= 300 && status < 400)
    return elsewhere(response, location === null ? "a redirect" : `a redirect to ${location}: name that by --api`);
  if (!isProblem(error)) {
    if (!BY_PROXIES.includes(status))
      return elsewhere(response, `status ${status} in a form that is not this service's`);
    const detail = `A proxy before it answered with status ${status}. Is the service running?`;
    return stop("noService", "unreachable", "The service cannot be reached", detail);
  }
  return new Stopped(endingOf(error), error);
}

/** What a proxy says when what is behind it does not answer. */
const BY_PROXIES = [502, 503, 504];
/** Refusals of status 403 that are about who asks, and not about what is asked. */
const ABOUT_TOKENS = ["token-wrong", "role-needed", "password-wrong"].map((name) => `urn:getaredis:${name}`);

function endingOf({ status, type }: Schemas["Problem"]): Ending {
  if (status === 401 || ABOUT_TOKENS.includes(type)) return "notAllowed";
  if (status === 404) return "notFound";
  if (status === 429 || status === 503) return "later";
  if (status >= 500) return "noService";
  return "refused";
}

function isProblem(error: unknown): error is Schemas["Problem"] {
  if (typeof error !== "object" || error === null) return false;
  const { type, title, detail, status } = error as Partial<Record<string, unknown>>;
  return [type, title, detail].every((text) => typeof text === "string") && typeof status === "number";
}

function elsewhere(response: Response | undefined, what: string): Stopped {
  const origin = response === undefined || response.url === "" ? "The address" : new URL(response.url).origin;
  return stop(
    "noService",
    "not-this-service",
    "This is not Get a Redis",
    `${origin} answered with ${what}. Is the address of --api right?`,
  );
}
