import type { FleetPlan } from "../fleet/scale-fleet.ts";
import { optional, setting, type ValuesOf } from "./declaration.ts";
import { duration, list, network, text, whole } from "./kinds.ts";

const DAY_SECONDS = 86_400;

/** The fleet of droplets: their kind, and the rules for their number. */
export const fleet = {
  region: setting("DROPLET_REGION", text, "fra1", "Region of the droplets."),
  sizes: setting(
    "DROPLET_SIZES",
    list,
    "s-1vcpu-2gb",
    "Sizes of droplets, comma-separated; the next one is tried when one is out of stock.",
  ),
  image: setting(
    "DROPLET_IMAGE",
    text,
    "debian-12-x64",
    "System image of the droplets: Debian 12 or Ubuntu 22.04 and later.",
  ),
  vpc: optional(
    "DROPLET_VPC",
    text,
    "Id of the private network that control plane and droplets share. Default: the region's default network.",
  ),
  sshKeys: optional(
    "DROPLET_SSH_KEYS",
    list,
    "Ids or fingerprints of SSH keys that may log in to droplets, comma-separated. Default: none.",
  ),
  cap: setting(
    "DROPLET_CAP",
    whole(1, 10_000, "droplets"),
    5,
    "Most droplets there may be at any time: what the fleet may cost.",
  ),
  standbys: setting(
    "STANDBY_HOSTS",
    whole(0, 100, "hosts"),
    1,
    "Empty hosts kept ready, and more for a while when hand-outs come faster than droplets boot; " +
      "with 0 none is ever ordered.",
  ),
  ordersPerRun: setting(
    "ORDERS_PER_RUN",
    whole(1, 100, "droplets"),
    10,
    "Most droplets ordered in one run of the scaling: more than the standbys are, while hand-outs would fill whole hosts " +
      "before a droplet boots. With 1 there are never more than the standbys.",
  ),
  surplusMs: setting(
    "SURPLUS_SECONDS",
    duration(0, DAY_SECONDS),
    300,
    "Time a host must have been empty before it goes as surplus.",
  ),
  bootTimeoutMs: setting(
    "BOOT_TIMEOUT_SECONDS",
    duration(1, DAY_SECONDS),
    600,
    "Time from order to a host that takes instances; a droplet that takes longer is destroyed.",
  ),
  settleMs: setting(
    "ORDER_SETTLE_SECONDS",
    duration(1, DAY_SECONDS),
    180,
    "Time an order whose answer was lost is looked for by name before it counts as never made.",
  ),
  backoffMs: setting(
    "ORDER_BACKOFF_SECONDS",
    duration(1, 3600),
    30,
    "Pause after an order that failed; twice as long after each further one, an hour at most.",
  ),
  orphanAgeMs: setting(
    "ORPHAN_AGE_SECONDS",
    duration(1, DAY_SECONDS),
    600,
    "Age at which a droplet with our tag that nobody tracks is destroyed.",
  ),
  silentReplaceMs: setting(
    "SILENT_REPLACE_SECONDS",
    duration(0, DAY_SECONDS),
    60,
    "Silence after which a standby is replaced.",
  ),
  silentGraceMs: setting(
    "SILENT_GRACE_SECONDS",
    duration(1, 30 * DAY_SECONDS),
    1800,
    "Silence after which a host without leases is destroyed.",
  ),
  privateNetwork: setting(
    "PRIVATE_NETWORK",
    network,
    "10.0.0.0/8",
    "Private network of control plane and droplets; the droplets' engines are open to it alone.",
  ),
};

/** What the droplets of a deployment are ordered with, out of the settings. */
export function fleetPlan(settings: ValuesOf<typeof fleet>, deployment: string): FleetPlan {
  return {
    namePrefix: `gar-${deployment}`,
    tag: `getaredis-${deployment}`,
    region: settings.region,
    image: settings.image,
    vpc: settings.vpc,
    sshKeys: settings.sshKeys ?? [],
  };
}
