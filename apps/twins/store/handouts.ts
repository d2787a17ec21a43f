import { budgetRefusal, dayBegins, type Budgets, type HourOfStarts } from "../../core/instances/budgets.ts";
import type { Handouts } from "../../core/instances/contract.ts";
import type { Draft, IdempotencyClaim, KnownClaim, TakeResult } from "../../core/instances/handout.ts";
import type { Effects } from "../turns.ts";
import { beginEndIn } from "./leases.ts";
import { isBlocked, isBlockedByOperator } from "./operator.ts";
import { addStarts, change, endOf, type InstanceRow, type SlotRow, type Tables } from "./tables.ts";

/** Hand-outs in memory. */
export function handoutEffects(tables: Tables): Effects<Handouts> {
  return {
    takeSlot: (draft, hostName, budgets, claim) => {
      const { id, address, createdAt: now } = draft;
      // Ended ahead of the reaper, so that they hold neither place nor key.
      const over = placesOf(tables, address).filter((row) => row.state === "running" && endOf(row) <= now);
      const places = placesOf(tables, address).filter((row) => !over.includes(row));
      const result = decide(tables, draft, hostName, budgets, claim, places);
      if (result.kind === "taken" && tables.instances.has(id))
        throw new Error(`Duplicate entry '${id}' for an instance`);
      tables.addresses.set(address, now);
      for (const lease of over) beginEndIn(tables, lease.id, "expired", now);
      if (result.kind === "taken") addDraft(tables, draft, hostName, result.port, budgets, claim);
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
  const slot = longestFree(tables.slots.get(hostName) ?? [], host.capacity, now);
  return slot ? { kind: "taken", port: slot.port } : { kind: "host-full" };
}

function addDraft(
  tables: Tables,
  { id, address, tokenHash, passwordHash, createdAt, deadline, latestEnd }: Draft,
  hostName: string,
  port: number,
  budgets: Budgets,
  claim: IdempotencyClaim | undefined,
): void {
  tables.instances.set(id, {
    id,
    state: "starting",
    hostName,
    port,
    address,
    tokenHash,
    passwordHash,
    createdAt,
    deadline,
    handedOutAt: null,
    expiresAt: null,
    latestEnd,
    sentBytes: 0,
    transferToldAt: null,
    endedAt: null,
    endCause: null,
    server: null,
    lastRestart: null,
  });
  const slots = tables.slots.get(hostName) ?? [];
  const taken = slots.find((slot) => slot.port === port && slot.instanceId === null);
  tables.slots.set(
    hostName,
    slots.map((slot) => (slot === taken ? { ...slot, instanceId: id } : slot)),
  );
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

/** After a change of the host's ports an instance may still use one that now belongs to another slot. */
function longestFree(slots: readonly SlotRow[], capacity: number, now: Date): SlotRow | undefined {
  const takenPorts = new Set(slots.filter(({ instanceId }) => instanceId !== null).map(({ port }) => port));
  return slots
    .filter(
      ({ instanceId, portTakenUntil, slot, port }) =>
        instanceId === null && (portTakenUntil ?? now) <= now && slot < capacity && !takenPorts.has(port),
    )
    .sort((a, b) => a.freeSince.getTime() - b.freeSince.getTime() || a.slot - b.slot)[0];
}
