/** What a Redis URL tells of its instance: by which name the API knows it, and its password. */
export type RedisUrl = { readonly name: string; readonly password: string };

/** Begins the host of an instance that has an address of its own. */
const OWN_NAME = /^([0-9a-z]{16})\./;

/**
 * The first Redis URL in a text, such as a file of settings; undefined where there is none that has a password.
 */
export function findRedisUrl(text: string): RedisUrl | undefined {
  const [found = ""] = /\brediss?:\/\/[^\s"']+/.exec(text) ?? [];
  if (!URL.canParse(found)) return undefined;
  const { hostname, port, password } = new URL(found);
  if (hostname === "" || password === "") return undefined;
  const [, id] = OWN_NAME.exec(hostname) ?? [];
  return { name: id ?? `${hostname}:${port === "" ? "6379" : port}`, password: decodeURIComponent(password) };
}
