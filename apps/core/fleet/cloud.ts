import { messageOf } from "../../lib/errors.ts";

/** A droplet as the cloud reports it. */
export type CloudDroplet = {
  readonly id: number;
  readonly name: string;
  /** `new` until the machine is switched on; `active` does not mean booted. */
  readonly status: "new" | "active" | "off" | "archive";
  /** IPv4 addresses; null while the cloud has given none yet. */
  readonly publicIp: string | null;
  readonly privateIp: string | null;
  readonly createdAt: Date;
  readonly region: string;
  readonly size: string;
  readonly memoryMb: number;
  /** US dollars an hour. */
  readonly hourlyPrice: number;
};

/** What a droplet is ordered with. */
export type DropletOrder = {
  readonly name: string;
  /** Marks it as ours. */
  readonly tag: string;
  readonly region: string;
  readonly size: string;
  /** Slug or id of the system image. */
  readonly image: string;
  /** Private network; undefined: the region's default one. */
  readonly vpc: string | undefined;
  /** Ids or fingerprints of keys that may log in as root. */
  readonly sshKeys: readonly string[];
  /** Script that the first boot runs as root, 64 KiB at most. */
  readonly userData: string;
};

/**
 * Why the cloud did not do what it was asked: it was not reached or did not answer in time, it had an error of
 * its own, there were too many calls, the account's droplet limit is reached, no machine of this size is
 * available in the region, another event is under way on the droplet, the token is not accepted, or it refused
 * for another reason.
 */
export type CloudFaultReason =
  | "unreachable"
  | "timeout"
  | "server-error"
  | "rate-limited"
  | "droplet-limit"
  | "out-of-stock"
  | "busy"
  | "unauthorized"
  | "refused";

/** A call to the cloud that failed. */
export class CloudFault extends Error {
  override readonly name = "CloudFault";
  readonly reason: CloudFaultReason;
  /** Whether the call may have had its effect all the same: a missing answer is not a refusal. */
  readonly effect: "none" | "unknown";

  constructor(reason: CloudFaultReason, effect: "none" | "unknown", cause: unknown) {
    super(`cloud: ${messageOf(cause)}`, { cause });
    this.reason = reason;
    this.effect = effect;
  }
}
