import { inUrl } from "../../lib/url-host.ts";
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
};

/** Where droplets find the enrolment, out of the settings. */
export function enrolmentUrl({ url, host, port }: ValuesOf<typeof enrolment>): string {
  return url ?? `https://${inUrl(host)}:${port}`;
}
