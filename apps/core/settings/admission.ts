import { optional, setting } from "./declaration.ts";
import { duration, text, whole } from "./kinds.ts";

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
  handoutsPerMinute: setting(
    "HANDOUTS_PER_MINUTE",
    whole(1, 1_000_000, "instances"),
    120,
    "Instances handed out in a minute, to all together.",
  ),
  newcomerPercent: setting(
    "NEWCOMER_PERCENT",
    whole(0, 90, "%"),
    20,
    "Share of the slots, and of HANDOUTS_PER_MINUTE, kept for addresses that hold no instance " +
      "and have begun none within a day.",
  ),
  workFromPercent: setting(
    "PROOF_OF_WORK_FROM_PERCENT",
    whole(0, 100, "%"),
    70,
    "Share of the slots in use from which a hand-out needs a proof of work; " +
      "it also needs one from half of HANDOUTS_PER_MINUTE on.",
  ),
  mostBits: setting(
    "PROOF_OF_WORK_MAX_BITS",
    whole(0, 32, "bits"),
    20,
    "Leading zero bits of the hardest proof of work; each takes twice the work, 18 about a second in a browser. " +
      "0: none is ever asked for.",
  ),
  challengeMs: setting(
    "PROOF_OF_WORK_SECONDS",
    duration(10, 3600),
    120,
    "Time a challenge for a proof of work is good for.",
  ),
};
