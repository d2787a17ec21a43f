import { optional, setting, type ValuesOf } from "./declaration.ts";
import { duration, hostNames, secret, whole } from "./kinds.ts";

/** What the HTTP servers answer to, and how much they bear of it. */
export const http = {
  allowedHosts: optional(
    "ALLOWED_HOSTS",
    hostNames,
    "Names that the API answers to, comma-separated, or * for all; requests for another name are refused. " +
      "Default: HOST and PUBLIC_HOST, and with TRUST_PROXY whatever name the proxy passes on. " +
      "IP addresses and localhost are always answered to.",
  ),
  connections: setting(
    "HTTP_CONNECTIONS",
    whole(10, 1_000_000, "connections"),
    4000,
    "Connections that the API or the enrolment holds at once, streams included; fewer where the system's limit of " +
      "open files is low. Beyond it, connections that wait for a request are closed, the longest idle first.",
  ),
  connectionsPerAddress: setting(
    "HTTP_CONNECTIONS_PER_ADDRESS",
    whole(1, 1_000_000, "connections"),
    250,
    "The same for an IPv4 address or an IPv6 /64. Trusted proxies count in all alone.",
  ),
  keepAliveMs: setting(
    "HTTP_KEEP_ALIVE_SECONDS",
    duration(1, 600),
    10,
    "Time a connection may wait for its next request. A proxy has to close its idle ones sooner.",
  ),
  refusalsLoggedPerMinute: setting(
    "REFUSALS_LOGGED_PER_MINUTE",
    whole(1, 1_000_000, "lines"),
    20,
    "Log lines a minute about requests refused for the same reason at the same call; the others are counted.",
  ),
  logFileMb: setting(
    "LOG_FILE_MB",
    whole(1, 10_000, "MB"),
    16,
    "Size at which `npm start` sets a program's log file aside, under its name with .1 in place of the one before; " +
      "its private servers' at 16 MB.",
  ),
  operatorStreams: setting(
    "OPERATOR_STREAMS",
    whole(1, 10_000, "streams"),
    100,
    "Dashboards and scripts that may follow the fleet live at once, on each API process.",
  ),
  metricsToken: optional(
    "METRICS_TOKEN",
    secret,
    "Bearer token of `/metrics`, 16 characters or more. Default: none, and `/metrics` answers this machine alone.",
  ),
};

type HttpSettings = ValuesOf<typeof http>;

/** The names that the API answers to, out of the settings: those set for it, and those it has from other settings. */
export function servedHosts({
  service,
  http: { allowedHosts },
}: {
  readonly service: { readonly host: string; readonly publicHost: string | undefined };
  readonly http: HttpSettings;
}) {
  const own = [service.host, ...(service.publicHost === undefined ? [] : [service.publicHost])];
  return { allowed: allowedHosts, own };
}
