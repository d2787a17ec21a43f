import type { Events } from "../events/contract.ts";
import type { Leases } from "./contract.ts";
import {
  changedExpiry,
  shownState,
  type Instance,
  type Lease,
  type LeaseBounds,
  shownEnd,
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

/** What a change of a lease by its owner needs. */
export type ChangeOwnLeasePorts = ChangeLeasePorts & {
  readonly store: { readonly events: Pick<Events, "add"> };
};

/**
 * Sets the end of a lease for its owner, see {@link changeLease}, and keeps that as an event. The reason is always
 * the same, so that an instance has one such event, which counts up, however often its owner asks.
 */
export async function changeOwnLease(
  ports: ChangeOwnLeasePorts,
  instance: Instance,
  ttlSeconds: number,
): Promise<ChangeLeaseResult> {
  const result = await changeLease(ports, instance, ttlSeconds);
  if (result.kind === "changed")
    await ports.store.events.add(
      {
        actor: "owner",
        kind: "extend",
        host: instance.hostName,
        instance: instance.id,
        reason: "its owner changed when it ends",
        data: { from: shownEnd(instance).toISOString(), to: result.instance.expiresAt.toISOString() },
      },
      ports.clock(),
    );
  return result;
}
