import { budgetRefusal, dayBegins, hourOf, type BudgetUse, type Budgets } from "../../core/instances/budgets.ts";
import type { Handouts } from "../../core/instances/contract.ts";
import type { Draft, IdempotencyClaim, KnownClaim, TakeResult } from "../../core/instances/handout.ts";
import { isBlocked, isNotBlocked } from "./blocks.ts";
import type { ServerVersion } from "../../core/services/server-version.ts";
import type { Database, Sql } from "./database.ts";
import type { WarmOffer } from "../../core/warm-pool/contract.ts";
import { beginEndIn, startDeadline } from "./leases.ts";
import { fillSlot, lockFreeSlot, lockOpenHost, type OpenHost } from "./slots.ts";
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
      const keys = budgets.networks.map(({ key }) => key);
      await lockCallers(sql, draft.address, keys, draft.createdAt);
      const facts = await readFactsNow(sql, draft, keys);
      const known = claim && (await findClaim(sql, draft.address, claim.keyHash, draft.createdAt));
      if (known) return { kind: "known", ...known };
      if (facts.isBlocked) return { kind: "blocked" };
      if (facts.isPaused) return { kind: "paused" };
      if (facts.places.length >= budgets.address.live) {
        return {
          kind: "quota-exceeded",
          nextFreeAt: new Date(Math.min(...facts.places.map((place) => place.endsAt.getTime()))),
        };
      }
      const spent = budgetRefusal(facts.use, budgets);
      if (spent) return spent;

      const host = await lockOpenHost(sql, hostName);
      if (!host) return { kind: "host-closed" };
      const taken = await takePlace(sql, host, draft, offer);
      if (taken.kind !== "taken" && taken.kind !== "taken-warm") return taken;
      const id = taken.kind === "taken-warm" ? taken.id : draft.id;
      await sql.run("INSERT INTO quota_places (address, place, instance_id) VALUES (?, ?, ?)", [
        draft.address,
        lowestFree(facts.places.map(({ place }) => place)),
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
    // In one statement, which is a transaction by itself. A block that was made since the slot was taken: who ends all
    // that an address holds has either found this row, or is found here.
    return database.query(
      async (sql) =>
        (await sql.run(
          `UPDATE instances LEFT JOIN idempotency_keys ON idempotency_keys.instance_id = instances.id
              SET state = 'running', handed_out_at = ?, instances.expires_at = ?, engine = ?, engine_version = ?,
                  sealed_answer = ?
            WHERE instances.id = ? AND state = 'starting' AND ${startDeadline} > ? AND ${isNotBlocked}`,
          [now, expiresAt, server?.engine ?? null, server?.version ?? null, sealedAnswer ?? null, id, now, now],
        )) > 0,
    );
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
    const evicted = await evictIn(sql, host.id);
    return evicted ? { kind: "slot-held", ...evicted } : { kind: "host-full" };
  }
  await fillSlot(sql, host, slot, { ...draft, state: "starting", nonce: null, recipe: null });
  return { kind: "taken", port: slot.port };
}

/**
 * Hand-outs to one address queue up here, and so do those to one network; others do not meet. Everybody locks the
 * address first, and the smaller network before the larger one.
 */
async function lockCallers(sql: Sql, address: string, networks: readonly string[], now: Date): Promise<void> {
  await sql.run("INSERT INTO addresses (address, seen_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE seen_at = ?", [
    address,
    now,
    now,
  ]);
  if (networks.length > 0)
    await sql.run(
      `INSERT INTO networks (network, seen_at) VALUES ${networks.map(() => "(?, ?)").join(", ")}
       ON DUPLICATE KEY UPDATE seen_at = ?`,
      [...networks.flatMap((network) => [network, now]), now],
    );
}

/** What decides about a hand-out, beside the host. */
type CallerFacts = {
  readonly isBlocked: boolean;
  readonly isPaused: boolean;
  /** Leases of the address that are past their end, and that the reaper has not ended yet. */
  readonly over: readonly string[];
  /** Quota places that the address holds besides, and when each is free at the latest. */
  readonly places: readonly { readonly place: number; readonly endsAt: Date }[];
  readonly use: BudgetUse;
};

/** Numbers of different kinds in one column come as decimals, which the driver gives as text. */
type FactRow =
  | { fact: "blocked" | "paused"; number: string | number }
  | { fact: "over"; id: string }
  | { fact: "place"; number: string | number; at: Date }
  | { fact: "start"; budget: string; number: string | number; at: Date }
  | { fact: "held"; budget: string; at: Date };

/**
 * Ends leases of the address that are past their end, ahead of the reaper, so that they hold neither quota place nor
 * key, and reads what is left. They are ended, not just ignored: an extension under way must not bring them back. One
 * that was faster leaves the lease as it is.
 */
async function readFactsNow(sql: Sql, draft: Draft, networks: readonly string[]): Promise<CallerFacts> {
  const facts = await readFacts(sql, draft, networks);
  if (facts.over.length === 0) return facts;
  for (const id of facts.over) await beginEndIn(sql, id, "expired", draft.createdAt);
  return readFacts(sql, draft, networks);
}

/**
 * Everything that is known of the caller, in one statement: each round trip to the server is a part of the time that
 * somebody waits.
 */
async function readFacts(
  sql: Sql,
  { address, createdAt: now }: Draft,
  networks: readonly string[],
): Promise<CallerFacts> {
  const blocked = isBlocked(address, now);
  const budgets = [address, ...networks];
  const nothing = "CAST(NULL AS DATETIME(3))";
  const rows = await sql.rows<FactRow>(
    `SELECT 'blocked' AS fact, '' AS id, '' AS budget, ${blocked.sql} AS number, ${nothing} AS at
     UNION ALL
     SELECT 'paused', '', '', EXISTS (SELECT 1 FROM switches WHERE name = 'handouts' AND paused = 1), ${nothing}
     UNION ALL
     SELECT IF(state = 'running' AND expires_at <= ?, 'over', 'place'), instances.id, '', place,
            IF(handed_out_at IS NULL, ${startDeadline}, instances.expires_at)
       FROM quota_places JOIN instances ON instances.id = instance_id
      WHERE quota_places.address = ?
     UNION ALL
     SELECT 'start', '', budget, starts, hour FROM starts WHERE hour >= ? AND budget IN (${listOf(budgets)})
     UNION ALL
     SELECT 'held', '', network, 0, IF(handed_out_at IS NULL, ${startDeadline}, instances.expires_at)
       FROM network_places JOIN instances ON instances.id = instance_id
      WHERE network IN (${networks.length === 0 ? "NULL" : listOf(networks)})
        AND NOT (state = 'running' AND expires_at <= ?)`,
    [...blocked.values, now, address, dayBegins(now), ...budgets, ...networks, now],
  );
  const startsOf = (key: string) =>
    rows.flatMap((row) =>
      row.fact === "start" && row.budget === key ? { hour: row.at, starts: Number(row.number) } : [],
    );
  const places = rows.flatMap((row) => (row.fact === "place" ? { place: Number(row.number), endsAt: row.at } : []));
  const isSet = (fact: "blocked" | "paused") => rows.some((row) => row.fact === fact && Number(row.number) === 1);
  return {
    isBlocked: isSet("blocked"),
    isPaused: isSet("paused"),
    over: rows.flatMap((row) => (row.fact === "over" ? row.id : [])),
    places,
    use: {
      address: { live: places.length, started: startsOf(address) },
      networks: networks.map((key) => ({
        ends: rows.flatMap((row) => (row.fact === "held" && row.budget === key ? row.at : [])),
        started: startsOf(key),
      })),
    },
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
  if (networks.length > 0)
    await sql.run(
      `INSERT INTO network_places (network, instance_id) VALUES ${networks.map(() => "(?, ?)").join(", ")}`,
      networks.flatMap((network) => [network, id]),
    );
}

function listOf(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ");
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

function lowestFree(taken: readonly number[]): number {
  let place = 1;
  while (taken.includes(place)) place++;
  return place;
}
