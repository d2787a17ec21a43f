/** What a path calls an instance by: its id, or the address that its holder connects to. */
export type InstanceName = { readonly id: string } | { readonly host: string; readonly port: number };

/**
 * Form of an instance's name in a path: an id, or `host:port`. Brackets of IPv6 addresses may be left out, since
 * shells and curl take them for patterns.
 */
export const INSTANCE_NAME = "^([0-9a-z]{16}|(\\[[0-9A-Fa-f:.]+\\]|[0-9A-Za-z.-]+|[0-9A-Fa-f:.]+):[1-9][0-9]{0,4})$";

/** Reads a name of the form {@link INSTANCE_NAME}. */
export function readInstanceName(name: string): InstanceName {
  const [, host, port] = /^(.+):(\d+)$/.exec(name) ?? [];
  return host === undefined ? { id: name } : { host: host.replace(/^\[|\]$/g, "").toLowerCase(), port: Number(port) };
}
