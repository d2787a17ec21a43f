import { budgetRefusal, dayBegins, hourOf, type BudgetUse, type Budgets } from "../../core/instances/budgets.ts";
import type { Handouts } from "../../core/instances/contract.ts";
import type { Draft, IdempotencyClaim, KnownClaim, TakeResult } from "../../core/instances/handout.ts";
import { isBlocked, isNotBlocked } from "./blocks.ts";
import type { ServerVersion } from "../../core/services/server-version.ts";
import type { Database, Sql } from "./database.ts";
import type { WarmOffer } from "../../core/warm-pool/contract.ts";
import { beginEndIn, startDeadline } from "./leases.ts";
import { lockFreeSlot, lockOpenHost, type OpenHost } from "./slots.ts";
import { evictIn, lockWarm } from "./warm-pool.ts";

/** Rows of hand-outs. */
export function handoutStatements(database: Database): Handouts {
  function takeSlot(
    draft: Draft,
    hostName: string,
    budgets: Budgets,
    claim: IdempotencyClaim | undefined,
    offer?: WarmOffer,
  ): Promise<TakeResult> {
    return database.transaction(async (sql) => {
      await lockAddress(sql, draft.address, draft.createdAt);
      await endLeasesOver(sql, draft.address, draft.createdAt);
      const known = claim && (await findClaim(sql, draft.address, claim.keyHash, draft.createdAt));
      if (known) return { kind: "known", ...known };

      const refusal = await refusalByOperator(sql, draft.address, draft.createdAt);
      if (refusal) return { kind: refusal };
      const places = await placesOf(sql, draft.address);
      if (places.length >= budgets.address.live) {
        return {
          kind: "quota-exceeded",
          nextFreeAt: new Date(Math.min(...places.map((place) => place.ends_at.getTime()))),
        };
      }
      const keys = budgets.networks.map(({ key }) => key);
      await lockNetworks(sql, keys, draft.createdAt);
      const spent = budgetRefusal(await readUse(sql, draft, keys, places.length), budgets);
      if (spent) return spent;

      const host = await lockOpenHost(sql, hostName);
      if (!host) return { kind: "host-closed" };
      const taken = await takePlace(sql, host, draft, offer);
      if (taken.kind !== "taken" && taken.kind !== "taken-warm") return taken;
      const id = taken.kind === "taken-warm" ? taken.id : draft.id;
      await sql.run("INSERT INTO quota_places (address, place, instance_id) VALUES (?, ?, ?)", [
        draft.address,
        lowestFree(places.map((place) => place.place)),
        id,
      ]);
      await countStart(sql, { ...draft, id }, keys);
      if (claim) {
        await sql.run(
          "INSERT INTO idempotency_keys (address, key_hash, request_hash, instance_id) VALUES (?, ?, ?, ?)",
          [draft.address, claim.keyHash, claim.requestHash, id],
        );
      }
      return taken;
    });
  }

  function complete(
    id: string,
    expiresAt: Date,
    now: Date,
    sealedAnswer: Buffer | undefined,
    server?: ServerVersion,
  ): Promise<boolean> {
    return database.transaction(async (sql) => {
      // A block that was made since the slot was taken: who ends all that an address holds has either found this
      // row, or is found here.
      const handed = await sql.run(
        `UPDATE instances
         SET state = 'running', handed_out_at = ?, expires_at = ?, engine = ?, engine_version = ?
         WHERE id = ? AND state = 'starting' AND ${startDeadline} > ? AND ${isNotBlocked}`,
        [now, expiresAt, server?.engine ?? null, server?.version ?? null, id, now, now],
      );
      if (handed === 1 && sealedAnswer)
        await sql.run("UPDATE idempotency_keys SET sealed_answer = ? WHERE instance_id = ?", [sealedAnswer, id]);
      return handed === 1;
    });
  }

  function readClaim(address: string, keyHash: Buffer, now: Date): Promise<KnownClaim | undefined> {
    return database.query((sql) => findClaim(sql, address, keyHash, now));
  }

  return { takeSlot, complete, readClaim };
}

/** Claims a warm instance, else takes a free slot, and writes the instance's row. */
async function takePlace(
  sql: Sql,
  host: OpenHost,
  draft: Draft,
  offer: WarmOffer | undefined,
): Promise<Extract<TakeResult, { kind: "taken" | "taken-warm" | "slot-held" | "host-full" }>> {
  const warm = offer && (await lockWarm(sql, host.id, offer));
  if (warm) {
    await sql.run(
      `UPDATE instances
          SET state = 'starting', address = ?, token_hash = ?, password_nonce = NULL, created_at = ?,
              start_deadline = ?, expires_at = ?, latest_end = ?
        WHERE id = ?`,
      [draft.address, draft.tokenHash, draft.createdAt, draft.deadline, draft.deadline, draft.latestEnd, warm.id],
    );
    return { kind: "taken-warm", ...warm };
  }
  const slot = await lockFreeSlot(sql, host, draft.createdAt);
  if (!slot) {
    const instanceId = await evictIn(sql, host.id);
    return instanceId === undefined ? { kind: "host-full" } : { kind: "slot-held", instanceId };
  }
  await sql.run(
    `INSERT INTO instances
       (id, state, host_id, port, address, token_hash, password_hash, created_at, start_deadline, expires_at,
        latest_end)
     VALUES (?, 'starting', ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      draft.id,
      host.id,
      slot.port,
      draft.address,
      draft.tokenHash,
      draft.passwordHash,
      draft.createdAt,
      draft.deadline,
      // For older replicas, which read it in this column; see startDeadline.
      draft.deadline,
      draft.latestEnd,
    ],
  );
  await sql.run("UPDATE slots SET instance_id = ? WHERE host_id = ? AND slot = ?", [draft.id, host.id, slot.slot]);
  return { kind: "taken", port: slot.port };
}

async function lockAddress(sql: Sql, address: string, now: Date): Promise<void> {
  await sql.run("INSERT INTO addresses (address, seen_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE seen_at = ?", [
    address,
    now,
    now,
  ]);
}

/** Hand-outs to one network queue up here. Everybody locks the smaller network first. */
async function lockNetworks(sql: Sql, keys: readonly string[], now: Date): Promise<void> {
  for (const key of keys)
    await sql.run("INSERT INTO networks (network, seen_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE seen_at = ?", [
      key,
      now,
      now,
    ]);
}

/** What the address, which holds `live` instances, and its networks have used of their budgets. */
async function readUse(
  sql: Sql,
  { address, createdAt: now }: Draft,
  networks: readonly string[],
  live: number,
): Promise<BudgetUse> {
  const started = await sql.rows<{ budget: string; hour: Date; starts: number }>(
    `SELECT budget, hour, starts FROM starts WHERE hour >= ? AND budget IN (${listOf([address, ...networks])})`,
    [dayBegins(now), address, ...networks],
  );
  const places =
    networks.length === 0
      ? []
      : await sql.rows<{ network: string; ends_at: Date }>(
          // Leases past their end that the reaper has not ended yet hold no place.
          `SELECT network, IF(handed_out_at IS NULL, ${startDeadline}, instances.expires_at) AS ends_at
           FROM network_places
           JOIN instances ON instances.id = instance_id
           WHERE network IN (${listOf(networks)}) AND NOT (state = 'running' AND expires_at <= ?)`,
          [...networks, now],
        );
  const startsOf = (key: string) => started.filter(({ budget }) => budget === key);
  return {
    address: { live, started: startsOf(address) },
    networks: networks.map((key) => ({
      ends: places.filter(({ network }) => network === key).map(({ ends_at }) => ends_at),
      started: startsOf(key),
    })),
  };
}

/** The quota place is written already: those of networks go with it. */
async function countStart(sql: Sql, { id, address, createdAt }: Draft, networks: readonly string[]): Promise<void> {
  const budgets = [address, ...networks];
  await sql.run(
    `INSERT INTO starts (budget, hour, starts) VALUES ${budgets.map(() => "(?, ?, 1)").join(", ")}
     ON DUPLICATE KEY UPDATE starts = starts + 1`,
    budgets.flatMap((budget) => [budget, hourOf(createdAt)]),
  );
  for (const network of networks)
    await sql.run("INSERT INTO network_places (network, instance_id) VALUES (?, ?)", [network, id]);
}

function listOf(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ");
}

/**
 * Ends leases of the address that are past their end, ahead of the reaper, so that they hold neither quota
 * place nor key. They are ended, not just ignored: an extension under way must not bring them back.
 */
async function endLeasesOver(sql: Sql, address: string, now: Date): Promise<void> {
  const over = await sql.rows<{ id: string }>(
    `SELECT instances.id
     FROM quota_places
     JOIN instances ON instances.id = instance_id
     WHERE quota_places.address = ? AND state = 'running' AND expires_at <= ?`,
    [address, now],
  );
  for (const { id } of over) await beginEndIn(sql, id, "expired", now);
}

async function findClaim(sql: Sql, address: string, keyHash: Buffer, now: Date): Promise<KnownClaim | undefined> {
  const [row] = await sql.rows<{
    request_hash: Buffer;
    instance_id: string;
    sealed_answer: Buffer | null;
    expires_at: Date;
  }>(
    `SELECT request_hash, instance_id, sealed_answer, expires_at
     FROM idempotency_keys
     JOIN instances ON instances.id = instance_id
      WHERE idempotency_keys.address = ? AND key_hash = ? AND NOT (state = 'running' AND expires_at <= ?)`,
    [address, keyHash, now],
  );
  if (!row) return undefined;
  const {
    request_hash: requestHash,
    instance_id: instanceId,
    sealed_answer: sealedAnswer,
    expires_at: expiresAt,
  } = row;
  return sealedAnswer === null
    ? { requestHash, instanceId, sealedAnswer, expiresAt: null }
    : { requestHash, instanceId, sealedAnswer, expiresAt };
}

async function refusalByOperator(sql: Sql, address: string, now: Date): Promise<"blocked" | "paused" | undefined> {
  const blocked = isBlocked(address, now);
  const [row] = await sql.rows<{ blocked: number; paused: number }>(
    `SELECT ${blocked.sql} AS blocked,
       EXISTS (SELECT 1 FROM switches WHERE name = 'handouts' AND paused = 1) AS paused`,
    blocked.values,
  );
  if (row?.blocked === 1) return "blocked";
  return row?.paused === 1 ? "paused" : undefined;
}

/** Places held by instances of the address, and when each is free at the latest. */
function placesOf(sql: Sql, address: string): Promise<{ place: number; ends_at: Date }[]> {
  return sql.rows(
    `SELECT place, IF(handed_out_at IS NULL, ${startDeadline}, instances.expires_at) AS ends_at
     FROM quota_places
     JOIN instances ON instances.id = instance_id
     WHERE quota_places.address = ?`,
    [address],
  );
}

function lowestFree(taken: readonly number[]): number {
  let place = 1;
  while (taken.includes(place)) place++;
  return place;
}
