import createClient from "openapi-fetch";
import type { components, paths } from "./api-types.ts";

/** What the API sends and takes, by the names of its document. */
export type Schemas = components["schemas"];

/** Calls of the API, typed by its document. */
export type Client = ReturnType<typeof createApiClient>;

/**
 * A client of a service.
 * @param secret that proves who calls; it is sent to this service alone
 */
export function createApiClient(
  service: string,
  send: (request: Request) => Promise<Response>,
  version: string,
  secret: string | undefined,
) {
  return createClient<paths, "application/json">({
    baseUrl: service,
    fetch: send,
    // A token does not follow to where another server says.
    redirect: "manual",
    headers: {
      accept: "application/json, application/problem+json",
      "user-agent": `getaredis-cli/${version}`,
      ...(secret !== undefined && { authorization: `Bearer ${secret}` }),
    },
  });
}
