import type { Leases } from "./contract.ts";
import {
  changedExpiry,
  shownState,
  type Instance,
  type Lease,
  type LeaseBounds,
  type LeaseRefusal,
} from "./instance.ts";

/** What changing a lease needs. */
export type ChangeLeasePorts = {
  readonly store: { readonly leases: Pick<Leases, "setExpiry"> };
  readonly clock: () => Date;
  readonly rules: { readonly lease: Pick<LeaseBounds, "least"> };
};

/** The outcome of a change of a lease. */
export type ChangeLeaseResult =
  { readonly kind: "changed"; readonly instance: Lease } | { readonly kind: "not-running" } | LeaseRefusal;

/** Sets the end of a running lease to `ttlSeconds` from now, earlier or later than before, within the bounds. */
export async function changeLease(
  ports: ChangeLeasePorts,
  instance: Instance,
  ttlSeconds: number,
): Promise<ChangeLeaseResult> {
  const now = ports.clock();
  if (instance.expiresAt === null || shownState(instance, now) !== "running") return { kind: "not-running" };
  const expiresAt = changedExpiry(instance.latestEnd, ttlSeconds, ports.rules.lease.least, now);
  if (!(expiresAt instanceof Date)) return expiresAt;
  if (!(await ports.store.leases.setExpiry(instance.id, expiresAt, now))) return { kind: "not-running" };
  return { kind: "changed", instance: { ...instance, expiresAt } };
}
