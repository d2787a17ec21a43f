import { usage } from "../stopped.ts";

/**
 * The address of a service as it is called: scheme, name and port, and a path where a proxy has it below one.
 * @param source where the text comes from, as its user knows it
 * @throws Stopped for anything else; a password in it is not repeated
 */
export function readServiceAddress(text: string, source: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol))
    throw usage(`${source} must be an address such as https://redis.example.org.`);
  if (url.username !== "" || url.password !== "")
    throw usage(`${source} must not have a user or password in it. Tokens come from the environment or a file.`);
  if (url.search !== "" || url.hash !== "") throw usage(`${source} must not have a query or a fragment.`);
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}
