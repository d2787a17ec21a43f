import type { MemberAddress } from "./address.ts";
import { servicesOf, type Announcements, type Owners } from "./applications.ts";
import { conflictOf, inOrder, plainMember, type Balanced, type Member, type Service } from "./service.ts";

/** A service as an operator has declared it: with members of its own, or with those of a pool in Redis. */
export type DeclaredService = Service & {
  /** Key of the pool in Redis; null when the members are declared as well. */
  readonly poolKey: string | null;
  readonly members: readonly Member[];
};

/** Everything that says what the edge carries besides leases. */
export type BalanceFacts = {
  readonly declared: readonly DeclaredService[];
  /** Pools in Redis by their key, as they were read last. */
  readonly pools: ReadonlyMap<string, readonly MemberAddress[]>;
  readonly announcements: Announcements;
  readonly owners: Owners;
};

/** What the edge is to carry besides leases. */
export type DesiredServices = {
  readonly services: readonly Balanced[];
  /** Announced services that are left out, because an operator has declared another one in their place. */
  readonly displaced: readonly { readonly service: string; readonly reason: string }[];
};

/** The services to carry: what an operator has declared comes before what hosts announce. */
export function desiredServices({ declared, pools, announcements, owners }: BalanceFacts): DesiredServices {
  const carried: Balanced[] = declared.map(({ poolKey, members, ...service }) => ({
    ...service,
    members: poolKey === null ? members : (pools.get(poolKey) ?? []).map(plainMember),
  }));
  const displaced: { readonly service: string; readonly reason: string }[] = [];
  for (const service of servicesOf(announcements, owners)) {
    const reason = conflictOf(service, carried);
    if (reason === undefined) carried.push(service);
    else displaced.push({ service: service.name, reason });
  }
  return { services: inOrder(carried), displaced };
}
