import { optional, setting } from "./declaration.ts";
import { text, whole } from "./kinds.ts";

/** Who gets how many instances, so that nobody takes the room of all others. */
export const admission = {
  quotaPerNetwork: optional(
    "QUOTA_PER_NETWORK",
    whole(1, 100_000, "instances"),
    "Live instances the addresses of an IPv4 /24, or of an IPv6 /48, may hold at once. " +
      "Default: four times QUOTA_PER_ADDRESS.",
  ),
  startsPerAddress: setting(
    "STARTS_PER_ADDRESS_PER_DAY",
    whole(1, 1_000_000, "instances"),
    200,
    "Instances an IPv4 address or an IPv6 /64 may begin within a day.",
  ),
  startsPerNetwork: setting(
    "STARTS_PER_NETWORK_PER_DAY",
    whole(1, 10_000_000, "instances"),
    800,
    "Instances the addresses of an IPv4 /24, or of an IPv6 /48, may begin within a day.",
  ),
  quotaNetworks: optional(
    "QUOTA_NETWORKS",
    text,
    "File of larger networks, one a line: a CIDR, and behind it a name. All addresses under a name share " +
      "QUOTA_PER_NETWORK and STARTS_PER_NETWORK_PER_DAY as well. Default: none.",
  ),
};
