import type { Edge } from "../services/address.ts";
import { optional, setting, type ValuesOf } from "./declaration.ts";
import {
  address,
  addresses,
  deviceName,
  domainName,
  duration,
  gatewayName,
  ipv4Address,
  network,
  oneOf,
  plainPath,
  ports,
  secret,
  tableSize,
  text,
  url,
  whole,
} from "./kinds.ts";

const HOUR_SECONDS = 3600;

/** The edge: gateways that carry all instances under one domain, encrypted. */
export const edge = {
  domain: optional(
    "EDGE_DOMAIN",
    domainName,
    "Domain under which each instance gets an encrypted address of its own, rediss://…@<id>.EDGE_DOMAIN; all names " +
      "under it must lead to the gateways. Default: no edge, holders connect to the hosts.",
  ),
  port: setting("EDGE_PORT", whole(1, 65_535), 6379, "Port of the edge, where clients speak TLS."),
  plainPort: optional(
    "EDGE_PLAIN_PORT",
    whole(1, 65_535),
    "Port on which gateways take the same without TLS, for clients that cannot: passwords can be read on the way " +
      "then. Default: none.",
  ),
  host: setting(
    "EDGE_HOST",
    address,
    "127.0.0.1",
    "Address that a gateway listens on. 0.0.0.0 or :: opens it to the network.",
  ),
  certificateDir: optional(
    "EDGE_CERT_DIR",
    text,
    "Folder with the certificate for *.EDGE_DOMAIN, as certbot keeps it: fullchain.pem and privkey.pem. It is read " +
      "again when it changes. `npm start` without it makes a certificate of its own.",
  ),
  runDir: setting(
    "GATEWAY_DIR",
    plainPath,
    "/run/getaredis-gateway",
    "Folder of a gateway for its HAProxy: configuration, table of routes, sockets. Its own alone.",
  ),
  gatewayName: optional(
    "GATEWAY_NAME",
    gatewayName,
    "Name of a gateway among the others. Default: this machine's name.",
  ),
  gatewayAddresses: optional(
    "GATEWAY_ADDRESSES",
    addresses,
    "Addresses, separated by commas, at which the world reaches this gateway: names under EDGE_DOMAIN lead to those of " +
      "all live gateways. Default: none is told.",
  ),
  beatMs: setting("GATEWAY_BEAT_SECONDS", duration(1, 60), 1, "Time between two signs of life of a gateway."),
  lifeMs: setting(
    "GATEWAY_TTL_SECONDS",
    duration(2, 600),
    3,
    "Life of a gateway's key in Redis: one that is silent for longer gets no clients, and nobody waits for it.",
  ),
  checkMs: setting(
    "GATEWAY_CHECK_MS",
    whole(100, 60_000, "ms"),
    1000,
    "Time between two comparisons of what a gateway should carry with what it does.",
  ),
  acknowledgeMs: setting(
    "GATEWAY_ACK_SECONDS",
    duration(1, 60),
    5,
    "Time that all gateways get to take on a route, or to give it up, before the hand-out fails or the slot waits.",
  ),
  hungMs: setting(
    "GATEWAY_HUNG_SECONDS",
    duration(1, 600),
    5,
    "Time without an answer after which a gateway's HAProxy is killed and started again.",
  ),
  connections: setting(
    "EDGE_CONNECTIONS",
    whole(10, 1_000_000, "connections"),
    8_000,
    "Connections of clients that a gateway holds at once; each takes two descriptors, and some 20 KB.",
  ),
  connectionsPerAddress: setting(
    "EDGE_CONNECTIONS_PER_ADDRESS",
    whole(1, 1_000_000, "connections"),
    400,
    "Connections that an address (an IPv6 /64) holds to a gateway, to all instances together; " +
      "INSTANCE_CONNECTIONS_PER_ADDRESS holds for each.",
  ),
  connectionsPerInstance: optional(
    "EDGE_CONNECTIONS_PER_INSTANCE",
    whole(1, 1_000_000, "connections"),
    "Connections that a gateway holds to one instance, of all addresses together; whoever comes then is told that " +
      "there are too many, in Redis's words. Default: INSTANCE_MAX_CLIENTS and half of INSTANCE_LOGINS_PENDING.",
  ),
  connectsPerMinute: setting(
    "EDGE_CONNECTS_PER_MINUTE",
    whole(10, 1_000_000, "connections"),
    3_000,
    "Connections a minute that an address may begin at a gateway.",
  ),
  idleMs: setting(
    "EDGE_IDLE_SECONDS",
    duration(60, 30 * 24 * HOUR_SECONDS),
    24 * HOUR_SECONDS,
    "Time after which a connection without a byte in either direction is closed.",
  ),
  dns: setting(
    "EDGE_DNS",
    oneOf(["digitalocean", "none"]),
    "digitalocean",
    "Who has the address records of *.EDGE_DOMAIN follow the live gateways of a fleet: the service, in DigitalOcean's " +
      "DNS; with none you keep them yourself.",
  ),
  dnsTtlSeconds: setting("EDGE_DNS_TTL_SECONDS", whole(30, 86_400, "s"), 30, "TTL of these records."),
  dnsSettleMs: setting(
    "EDGE_DNS_SETTLE_SECONDS",
    duration(0, 3600),
    5,
    "Time for which a gateway must have lived, or been gone, before its record comes or goes.",
  ),
  gatewayNetwork: optional(
    "GATEWAY_NETWORK",
    network,
    "Network that gateways and the control plane reach droplets' instances from. Default: PRIVATE_NETWORK.",
  ),
  gateways: setting(
    "GATEWAYS",
    whole(0, 50, "gateways"),
    0,
    "Gateways that the fleet keeps on droplets of their own, ordered and replaced like hosts. With 0 it orders none: " +
      "the control plane is the gateway.",
  ),
  gatewaySize: setting("GATEWAY_SIZE", text, "s-1vcpu-1gb", "Size of the gateways' droplets."),
  gatewaySilentMs: setting(
    "GATEWAY_SILENT_SECONDS",
    duration(5, 86_400),
    60,
    "Silence after which a gateway's droplet is replaced. The silent one goes once another one lives in its place.",
  ),
  gatewayDrainMs: setting(
    "GATEWAY_DRAIN_SECONDS",
    duration(0, 86_400),
    600,
    "Time that clients of a gateway's droplet get to leave it, from when no address record leads to it any more and " +
      "EDGE_DNS_TTL_SECONDS have passed.",
  ),
  gatewayOpenPorts: optional(
    "GATEWAY_OPEN_PORTS",
    ports,
    "Ports that the gateways' droplets open to the world in any case, separated by commas. EDGE_PORT, EDGE_PLAIN_PORT " +
      "and the ports of services, while there are such, are open by themselves. Default: none.",
  ),
  controlUrl: optional(
    "GATEWAY_CONTROL_URL",
    url("https:"),
    "Where a gateway reads routes, services and its certificate, in place of MYSQL_URL and EDGE_CERT_DIR's keeper. " +
      "The set-up of a droplet writes it.",
  ),
  controlSecret: optional(
    "GATEWAY_SECRET",
    secret,
    "What such a gateway shows who it is with. The set-up of a droplet makes it.",
  ),
  controlCa: optional(
    "GATEWAY_CONTROL_CA",
    text,
    "File with the certificates of the CA by which it recognises the control plane.",
  ),
  sharedAddress: optional(
    "EDGE_SHARED_ADDRESS",
    ipv4Address,
    "IPv4 address that all gateways of one network answer at, each its share of the connections, by the kernel: for " +
      "networks of your own, where a gateway gets packets for many; clouds have none. A gateway needs the right to " +
      "administer its network. Default: none is shared.",
  ),
  sharedDevice: setting(
    "EDGE_SHARED_DEVICE",
    deviceName,
    "eth0",
    "Network device of the gateways by which EDGE_SHARED_ADDRESS is reached.",
  ),
  sharedBuckets: setting(
    "EDGE_SHARED_BUCKETS",
    tableSize,
    251,
    "Buckets by which connections to EDGE_SHARED_ADDRESS are shared out, the same for all gateways: a prime.",
  ),
  instancesOpenTo: setting(
    "INSTANCES_OPEN_TO",
    oneOf(["gateways", "everyone"]),
    "gateways",
    "Who may connect to the instances of droplets behind an edge: gateways alone, or everyone as without an edge, " +
      "for as long as instances run that were handed out before there was one.",
  ),
};

/** Faults in the relations of these settings. */
export function edgeFaults(
  {
    port,
    plainPort,
    beatMs,
    lifeMs,
    connections,
    connectionsPerAddress,
    connectionsPerInstance,
    gatewayNetwork,
    gateways,
    domain,
    controlUrl,
    controlSecret,
    controlCa,
  }: Pick<
    ValuesOf<typeof edge>,
    | "port"
    | "plainPort"
    | "beatMs"
    | "lifeMs"
    | "connections"
    | "connectionsPerAddress"
    | "connectionsPerInstance"
    | "gatewayNetwork"
    | "gateways"
    | "domain"
    | "controlUrl"
    | "controlSecret"
    | "controlCa"
  >,
  { maxClients, loginsPending }: { readonly maxClients: number; readonly loginsPending: number },
): string[] {
  const faults: string[] = [];
  if (plainPort !== undefined && plainPort === port)
    faults.push(`EDGE_PLAIN_PORT (${plainPort}) is EDGE_PORT, where clients speak TLS`);
  if (beatMs * 2 > lifeMs)
    faults.push(
      `GATEWAY_TTL_SECONDS (${lifeMs / 1000}) must be twice GATEWAY_BEAT_SECONDS (${beatMs / 1000}) or more, or one ` +
        "lost sign of life takes a gateway away",
    );
  if (connectionsPerAddress > connections)
    faults.push(
      `EDGE_CONNECTIONS_PER_ADDRESS (${connectionsPerAddress}) is more than EDGE_CONNECTIONS (${connections})`,
    );
  if (connectionsPerInstance !== undefined && connectionsPerInstance < maxClients)
    faults.push(
      `EDGE_CONNECTIONS_PER_INSTANCE (${connectionsPerInstance}) is less than INSTANCE_MAX_CLIENTS (${maxClients}), ` +
        "which holders are promised",
    );
  if (connectionsPerInstance !== undefined && connectionsPerInstance > maxClients + loginsPending)
    faults.push(
      `EDGE_CONNECTIONS_PER_INSTANCE (${connectionsPerInstance}) is more than an instance takes: ` +
        `INSTANCE_MAX_CLIENTS (${maxClients}) and INSTANCE_LOGINS_PENDING (${loginsPending}) together`,
    );
  if (gatewayNetwork?.includes(":"))
    faults.push(`GATEWAY_NETWORK (${gatewayNetwork}) is of IPv6, and instances are reached by IPv4 alone`);
  if (gateways > 0 && domain === undefined)
    faults.push(`GATEWAYS is ${gateways}, and there is no EDGE_DOMAIN that they would carry`);
  // One address holds the control plane's gateway, and shuts all others out of the instances.
  if (gateways > 0 && gatewayNetwork?.endsWith("/32") === true)
    faults.push(
      `GATEWAY_NETWORK (${gatewayNetwork}) is a single address, and GATEWAYS (${gateways}) get addresses of ` +
        "PRIVATE_NETWORK: leave it out, or name a network that holds theirs",
    );
  const told = [controlUrl, controlSecret, controlCa].filter((value) => value !== undefined).length;
  if (told > 0 && told < 3) faults.push("GATEWAY_CONTROL_URL, GATEWAY_SECRET and GATEWAY_CONTROL_CA belong together");
  return faults;
}

/** Who connects to the instances of droplets, out of the settings; undefined without an edge: everybody. */
export function instanceAccess({
  edge: { domain, gatewayNetwork, instancesOpenTo },
  fleet: { privateNetwork },
}: {
  readonly edge: Pick<ValuesOf<typeof edge>, "domain" | "gatewayNetwork" | "instancesOpenTo">;
  readonly fleet: { readonly privateNetwork: string };
}): { readonly network: string; readonly only: boolean } | undefined {
  return domain === undefined
    ? undefined
    : { network: gatewayNetwork ?? privateNetwork, only: instancesOpenTo === "gateways" };
}

/** The settings that say where holders find the edge. */
export type EdgeAddress = Pick<ValuesOf<typeof edge>, "domain" | "port">;

/** Where holders find the edge, out of the settings; undefined without one. */
export function edgeOf({ edge: { domain, port } }: { readonly edge: EdgeAddress }): Edge | undefined {
  return domain === undefined ? undefined : { domain, port };
}

/** What a gateway listens on, out of the settings. */
export function leaseListeningOf({ domain, host, port, plainPort }: ValuesOf<typeof edge, "EDGE_DOMAIN">) {
  return { domain, host, port, plainPort };
}

/** What clients of a gateway may do, out of the settings: a gateway takes the place of the hosts' limits for each. */
export function leaseBoundsOf({
  edge: { idleMs, connectionsPerAddress, connectionsPerInstance, connectsPerMinute },
  instances,
}: {
  readonly edge: Pick<
    ValuesOf<typeof edge>,
    "idleMs" | "connectionsPerAddress" | "connectionsPerInstance" | "connectsPerMinute"
  >;
  readonly instances: {
    readonly loginSeconds: number;
    readonly connectionsPerAddress: number;
    readonly maxClients: number;
    readonly loginsPending: number;
  };
}) {
  return {
    loginMs: instances.loginSeconds * 1000,
    idleMs,
    connectionsPerAddress,
    connectsPerMinute,
    connectionsPerLease: instances.connectionsPerAddress,
    connectionsOfAll: connectionsPerInstance ?? instances.maxClients + Math.ceil(instances.loginsPending / 2),
  };
}
