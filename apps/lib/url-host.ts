/** Name or address of the host in a URL; IPv6 addresses come without the brackets they have there. */
export function hostIn(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

/** A name or address as a URL takes it: IPv6 addresses in brackets. */
export function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
