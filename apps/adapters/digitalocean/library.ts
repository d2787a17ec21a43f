import { AsyncLocalStorage } from "node:async_hooks";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { DigitalOcean } from "digitalocean-js";
import { instance } from "digitalocean-js/src/lib/axios-instance.js";

/** The settings of one request, and the status and headers of its answer. */
export type Exchange = {
  readonly url: string;
  readonly token: string;
  readonly signal: AbortSignal;
  status?: number;
  header?: (name: string) => string | undefined;
};

/** A refusal. `id` is the API's short word for it, "" when something else than the API answered. */
export class ApiRefusal extends Error {
  override readonly name = "ApiRefusal";
  readonly status: number;
  readonly id: string;

  constructor(status: number, id: string, message: string) {
    super(message);
    this.status = status;
    this.id = id;
  }
}

const MIB = 1024 * 1024;
const LONGEST_MESSAGE = 300;
const exchanges = new AsyncLocalStorage<Exchange>();

// Each request has a connection of its own: one kept from earlier may be broken by now, and whether an
// order that was sent on it has arrived would be unknown.
const httpAgent = new HttpAgent();
const httpsAgent = new HttpsAgent();

/** The library's services. Like `http`, they work only inside of {@link exchange}. */
export const services = new DigitalOcean("");

/** The library's own HTTP instance, for parameters that its services do not take. */
export const http = instance;

/** Does one request by the library, with address, token and time-out of this exchange. */
export function exchange<T>(call: Exchange, request: () => Promise<T>): Promise<T> {
  return exchanges.run(call, request);
}

// The library has one HTTP instance in a process for all its clients, and drops status and headers.
instance.interceptors.request.use((config) => {
  const call = exchanges.getStore();
  if (!call) throw new Error("a request to DigitalOcean outside of an exchange");
  config.headers.set("Authorization", `Bearer ${call.token}`);
  // No redirect is followed: it would take the token elsewhere.
  return Object.assign(config, {
    baseURL: call.url,
    signal: call.signal,
    httpAgent,
    httpsAgent,
    maxRedirects: 0,
    maxContentLength: 16 * MIB,
    validateStatus: null,
  });
});

instance.interceptors.response.use((response) => {
  const call = exchanges.getStore();
  const { status, headers } = response;
  if (call) {
    call.status = status;
    call.header = (name) => (headers[name] === undefined ? undefined : String(headers[name]));
  }
  if (status >= 300) throw refusalOf(status, response.data);
  return response;
});

/** Most errors are `{id, message}`, those of tags `{error, root_causes}`, and those of a proxy anything. */
function refusalOf(status: number, body: unknown): ApiRefusal {
  const fields: { id?: unknown; message?: unknown; error?: unknown } =
    typeof body === "object" && body !== null ? body : {};
  const text = fields.message ?? fields.error ?? body;
  return new ApiRefusal(
    status,
    typeof fields.id === "string" ? fields.id : "",
    (typeof text === "string" ? text : "no reason told").slice(0, LONGEST_MESSAGE),
  );
}
