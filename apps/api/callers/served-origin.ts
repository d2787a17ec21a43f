import { inUrl } from "../../lib/url-host.ts";

/** What a request tells about how it came here. */
type Arrival = Readonly<{
  protocol: string;
  host: string;
  socket: { readonly localAddress?: string | undefined; readonly localPort?: number | undefined };
}>;

/**
 * Scheme, name and port by which the caller has reached this service, for links and for commands to paste. A Host
 * header with anything else in it than a name and a port is passed over: what is pasted into a shell must not come
 * from it.
 */
export function servedOrigin({ protocol, host, socket }: Arrival): string {
  const named = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.test(host)
    ? host
    : `${inUrl(socket.localAddress ?? "127.0.0.1")}:${socket.localPort ?? 80}`;
  return `${protocol === "https" ? "https" : "http"}://${named}`;
}
