import { budgetRefusal, dayBegins, type Budgets, type HourOfStarts } from "../../core/instances/budgets.ts";
import type { Handouts } from "../../core/instances/contract.ts";
import type { Draft, IdempotencyClaim, KnownClaim, TakeResult } from "../../core/instances/handout.ts";
import type { WarmOffer } from "../../core/warm-pool/contract.ts";
import type { Effects } from "../turns.ts";
import { beginEndIn } from "./leases.ts";
import { isBlocked, isBlockedByOperator } from "./operator.ts";
import { longestFree } from "./slots.ts";
import { addRow, addStarts, change, endOf, type InstanceRow, type Tables } from "./tables.ts";
import { endWarmIn, evictable, readyOn } from "./warm-pool.ts";

/** Hand-outs in memory. */
export function handoutEffects(tables: Tables): Effects<Handouts> {
  return {
    takeSlot: (draft, hostName, budgets, claim, offer) => {
      const { id, address, createdAt: now } = draft;
      // Ended ahead of the reaper, so that they hold neither place nor key.
      const over = placesOf(tables, address).filter((row) => row.state === "running" && endOf(row) <= now);
      const places = placesOf(tables, address).filter((row) => !over.includes(row));
      const result = decide(tables, draft, hostName, budgets, claim, places, offer);
      if (result.kind === "taken" && tables.instances.has(id))
        throw new Error(`Duplicate entry '${id}' for an instance`);
      tables.addresses.set(address, now);
      for (const lease of over) beginEndIn(tables, lease.id, "expired", now);
      if (result.kind === "taken")
        addRow(tables, { ...draft, state: "starting", hostName, port: result.port, nonce: null, recipe: null });
      if (result.kind === "taken-warm") claimWarm(tables, draft, result.id);
      if (result.kind === "slot-held") endWarmIn(tables, result.instanceId);
      if (result.kind === "taken") addHolding(tables, draft, id, budgets, claim);
      if (result.kind === "taken-warm") addHolding(tables, draft, result.id, budgets, claim);
      return result;
    },

    complete: (id, expiresAt, now, sealedAnswer, server) => {
      const row = tables.instances.get(id);
      if (row?.state !== "starting" || row.deadline <= now || isBlockedByOperator(tables, row.address, now))
        return false;
      tables.instances.set(id, { ...row, state: "running", handedOutAt: now, expiresAt, server: server ?? null });
      if (sealedAnswer) change(tables.claims, id, { sealedAnswer });
      return true;
    },

    readClaim: (address, keyHash, now) => findClaim(tables, address, keyHash, now),
  };
}

/** The outcome of a hand-out for which the address holds these quota places. Changes nothing. */
function decide(
  tables: Tables,
  { address, createdAt: now }: Draft,
  hostName: string,
  budgets: Budgets,
  claim: IdempotencyClaim | undefined,
  places: readonly InstanceRow[],
  offer: WarmOffer | undefined,
): TakeResult {
  const known = claim && findClaim(tables, address, claim.keyHash, now);
  if (known) return { kind: "known", ...known };
  if (isBlocked(tables, address, now)) return { kind: "blocked" };
  if (tables.switches.get("handouts")?.paused) return { kind: "paused" };
  if (places.length >= budgets.address.live)
    return {
      kind: "quota-exceeded",
      nextFreeAt: new Date(Math.min(...places.map((row) => endOf(row).getTime()))),
    };
  const spent = budgetRefusal(
    {
      address: { live: places.length, started: startedIn(tables, address, now) },
      networks: budgets.networks.map(({ key }) => ({
        ends: endsIn(tables, key, now),
        started: startedIn(tables, key, now),
      })),
    },
    budgets,
  );
  if (spent) return spent;
  const host = tables.hosts.get(hostName);
  if (host?.state !== "active") return { kind: "host-closed" };
  const warm = offer && readyOn(tables, hostName, offer);
  if (warm?.nonce && warm.server) {
    const { id, port, nonce, passwordHash, server } = warm;
    return { kind: "taken-warm", id, port, nonce, passwordHash, server };
  }
  const slot = longestFree(tables.slots.get(hostName) ?? [], host.capacity, now);
  if (slot) return { kind: "taken", port: slot.port };
  const held = evictable(tables, hostName);
  return held
    ? { kind: "slot-held", instanceId: held.id, isStarting: held.state === "warming" }
    : { kind: "host-full" };
}

function claimWarm(tables: Tables, draft: Draft, id: string): void {
  const { address, tokenHash, createdAt, deadline, latestEnd } = draft;
  change(tables.instances, id, { state: "starting", address, tokenHash, createdAt, deadline, latestEnd, nonce: null });
}

/** What an address holds with an instance: its quota place, places of its networks, the start, and the key. */
function addHolding(
  tables: Tables,
  { address, createdAt }: Draft,
  id: string,
  budgets: Budgets,
  claim: IdempotencyClaim | undefined,
): void {
  tables.quotaPlaces.set(address, new Set([...(tables.quotaPlaces.get(address) ?? []), id]));
  const networks = budgets.networks.map(({ key }) => key);
  tables.networkPlaces.set(id, networks);
  for (const budget of [address, ...networks]) addStarts(tables, budget, createdAt, 1);
  if (claim)
    tables.claims.set(id, {
      address,
      keyHash: claim.keyHash.toString("hex"),
      requestHash: claim.requestHash,
      instanceId: id,
      sealedAnswer: null,
    });
}

function placesOf(tables: Tables, address: string): InstanceRow[] {
  return [...(tables.quotaPlaces.get(address) ?? [])].flatMap((id) => tables.instances.get(id) ?? []);
}

function startedIn(tables: Tables, budget: string, now: Date): readonly HourOfStarts[] {
  return (tables.starts.get(budget) ?? []).filter(({ hour }) => hour >= dayBegins(now));
}

/** When each instance in a network ends; leases past their end hold no place. */
function endsIn(tables: Tables, network: string, now: Date): Date[] {
  return [...tables.networkPlaces]
    .filter(([, networks]) => networks.includes(network))
    .flatMap(([id]) => tables.instances.get(id) ?? [])
    .filter((row) => !(row.state === "running" && endOf(row) <= now))
    .map(endOf);
}

function findClaim(tables: Tables, address: string, keyHash: Buffer, now: Date): KnownClaim | undefined {
  const hash = keyHash.toString("hex");
  const claim = [...tables.claims.values()].find((each) => each.address === address && each.keyHash === hash);
  const row = claim && tables.instances.get(claim.instanceId);
  if (!row || (row.state === "running" && endOf(row) <= now)) return undefined;
  const { requestHash, instanceId, sealedAnswer } = claim;
  return sealedAnswer === null || row.expiresAt === null
    ? { requestHash, instanceId, sealedAnswer: null, expiresAt: null }
    : { requestHash, instanceId, sealedAnswer, expiresAt: row.expiresAt };
}
