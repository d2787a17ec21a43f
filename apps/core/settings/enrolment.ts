import { hostIn, inUrl } from "../../lib/url-host.ts";
import { optional, setting, type ValuesOf } from "./declaration.ts";
import { hostAndPort, text, url, whole } from "./kinds.ts";

/** How droplets enrol at the control plane. */
export const enrolment = {
  pkiDir: optional(
    "PKI_DIR",
    text,
    "Folder of the control plane's certificates: ca.pem, client.pem and client-key.pem, " +
      "and for the enrolment ca-key.pem. `npm run pki` makes it.",
  ),
  hostFilesDir: optional(
    "HOST_FILES_DIR",
    text,
    "Folder with the scripts and systemd units that a droplet runs besides its instances: the project's infra/host.",
  ),
  host: setting(
    "ENROLMENT_HOST",
    text,
    "127.0.0.1",
    "Address that the enrolment of new hosts listens on: the control plane's private one.",
  ),
  port: setting("ENROLMENT_PORT", whole(0, 65_535), 8443, "Port that the enrolment listens on; 0 picks a free one."),
  url: optional(
    "ENROLMENT_URL",
    url("https:"),
    "Where droplets find the enrolment. Default: https at ENROLMENT_HOST and ENROLMENT_PORT.",
  ),
  heartbeatRedis: optional(
    "HEARTBEAT_REDIS",
    hostAndPort,
    "Redis as droplets reach it, host:port. Default: host and port of REDIS_URL.",
  ),
  connectionsPerAddress: setting(
    "PRIVATE_CONNECTIONS_PER_ADDRESS",
    whole(2, 1000, "connections"),
    8,
    "Connections that an address of the private network may hold to Redis, and as many to the enrolment: " +
      "a droplet needs one. In the control plane's firewall.",
  ),
  connectsPerMinute: setting(
    "PRIVATE_CONNECTS_PER_MINUTE",
    whole(10, 100_000, "connections"),
    120,
    "Connections a minute that it may begin to them. In the control plane's firewall.",
  ),
  // More of them could use up what Redis has for its clients.
  connections: setting(
    "PRIVATE_CONNECTIONS",
    whole(10, 1000, "connections"),
    1000,
    "Connections that the private network may hold to Redis altogether. In the control plane's firewall.",
  ),
};

/** Where droplets find the enrolment, out of the settings. */
export function enrolmentUrl({ url, host, port }: ValuesOf<typeof enrolment>): string {
  return url ?? `https://${inUrl(host)}:${port}`;
}

/** Redis as droplets reach it, out of the settings. */
export function redisForDroplets({
  enrolment: { heartbeatRedis },
  service,
}: {
  readonly enrolment: Pick<ValuesOf<typeof enrolment>, "heartbeatRedis">;
  readonly service: { readonly redisUrl: string };
}): { readonly host: string; readonly port: number } {
  if (heartbeatRedis) return heartbeatRedis;
  return { host: hostIn(service.redisUrl), port: Number(new URL(service.redisUrl).port || 6379) };
}
