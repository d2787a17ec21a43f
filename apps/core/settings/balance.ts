import type { AnnouncementRules } from "../balance/announcement.ts";
import type { ServiceRules } from "../operator/manage-services.ts";
import { optional, setting, type ValuesOf } from "./declaration.ts";
import { duration, networks, oneOf, ports, text, whole, zones } from "./kinds.ts";

/** Services that gateways carry besides instances: declared ones, pools, and applications that hosts announce. */
export const balance = {
  zones: optional(
    "SERVICE_ZONES",
    zones,
    "Zones for the policy location, separated by commas: fra=10.1.0.0/16,ams=10.2.0.0/16. A zone may be named again for " +
      "another network; of several that hold an address the narrowest counts. Default: none.",
  ),
  mostMembers: setting(
    "SERVICE_MAX_MEMBERS",
    whole(1, 4000, "members"),
    1000,
    "Members that a service or a pool in Redis may have.",
  ),
  drainMs: setting(
    "SERVICE_DRAIN_SECONDS",
    duration(0, 86_400),
    30,
    "Time that connections to a member get to end by themselves when it is taken out of a service.",
  ),
  connections: setting(
    "SERVICE_CONNECTIONS",
    whole(10, 1_000_000, "connections"),
    4000,
    "Connections that a gateway holds to all services together.",
  ),
  renderer: setting(
    "APP_RENDERER",
    oneOf(["haproxy", "nginx", "stdout"]),
    "haproxy",
    "What carries HTTP applications: HAProxy like all other services, an nginx of the gateway's own, or nothing: " +
      "stdout prints what would be carried.",
  ),
  certificateDir: optional(
    "SERVICE_CERT_DIR",
    text,
    "Folder with the certificate for the names and domains of services, as certbot keeps it: fullchain.pem and " +
      "privkey.pem. It is read again when it changes. Default: the one of EDGE_CERT_DIR.",
  ),
  listenPorts: setting("APP_PORTS", ports, "80,443", "Ports that applications may announce to listen on."),
  announceNetworks: setting(
    "APP_NETWORKS",
    networks,
    "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fd00::/8",
    "Networks that hosts which announce applications must be in: they cannot have gateways connect to anything else.",
  ),
  holdMs: setting(
    "APP_HOLD_SECONDS",
    duration(0, 3600),
    60,
    "Time for which applications that were known stay when Redis has restarted and lost them.",
  ),
  redirect: setting(
    "HTTP_REDIRECT",
    oneOf(["on", "off"]),
    "on",
    "Whether gateways listen on port 80 and send those who ask for a domain that is served in TLS there.",
  ),
};

/** Faults in the relation of these settings to those of the edge. */
export function balanceFaults(
  { listenPorts }: Pick<ValuesOf<typeof balance>, "listenPorts">,
  { domain, port, plainPort }: ReservedBy,
): string[] {
  // What has a fault of its own is undefined here.
  const taken = domain === undefined ? [] : ((listenPorts as readonly number[] | undefined) ?? []);
  return taken
    .filter((each) => each === port || each === plainPort)
    .map((each) => `APP_PORTS has ${each}, at which gateways carry instances`);
}

type ReservedBy = {
  readonly domain: string | undefined;
  readonly port: number;
  readonly plainPort: number | undefined;
};

/** Ports at which gateways carry instances. */
export function edgePorts({ port, plainPort }: Pick<ReservedBy, "port" | "plainPort">): readonly number[] {
  return [port, ...(plainPort === undefined ? [] : [plainPort])];
}

/** Rules for services that operators declare, out of the settings. */
export function serviceRules({
  balance: { zones: all, mostMembers },
  edge,
}: {
  readonly balance: Pick<ValuesOf<typeof balance>, "zones" | "mostMembers">;
  readonly edge: ReservedBy;
}): ServiceRules {
  return {
    mostMembers,
    zones: (all ?? []).map(({ name }) => name),
    reservedPorts: edgePorts(edge),
    reservedDomains: edge.domain === undefined ? [] : [edge.domain],
  };
}

/** Rules for what hosts announce, out of the settings. */
export function announcementRules({
  balance: { announceNetworks, listenPorts },
  edge: { domain },
}: {
  readonly balance: Pick<ValuesOf<typeof balance>, "announceNetworks" | "listenPorts">;
  readonly edge: { readonly domain: string | undefined };
}): Pick<AnnouncementRules, "networks" | "listenPorts" | "reservedDomains"> {
  return { networks: announceNetworks, listenPorts, reservedDomains: domain === undefined ? [] : [domain] };
}
