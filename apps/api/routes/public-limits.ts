import type { HandoutRules } from "../../core/instances/create-instance.ts";

/** The limits that are shown to everybody, out of the rules of hand-outs. */
export function publicLimits({ lease, quotaPerAddress, service }: PublicRules) {
  return {
    ttlSeconds: lease.usual,
    minTtlSeconds: lease.least,
    maxTtlSeconds: lease.most,
    perAddress: quotaPerAddress,
    memoryMb: service.limits.memoryMb,
    maxClients: service.limits.maxClients,
    isEncrypted: service.isEncrypted,
  };
}

/** The rules of hand-outs that are public. */
export type PublicRules = Pick<HandoutRules, "lease" | "quotaPerAddress" | "service">;
