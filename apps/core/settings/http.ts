import { optional, setting, type ValuesOf } from "./declaration.ts";
import { hostNames, secret, whole } from "./kinds.ts";

/** What the HTTP servers answer to, and how much they bear of it. */
export const http = {
  allowedHosts: optional(
    "ALLOWED_HOSTS",
    hostNames,
    "Names that the API answers to, comma-separated, or * for all; requests for another name are refused. " +
      "Default: HOST and PUBLIC_HOST, and with TRUST_PROXY whatever name the proxy passes on. " +
      "IP addresses and localhost are always answered to.",
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
