import type { WarmInstance, WarmOffer, WarmPool } from "../../core/warm-pool/contract.ts";
import type { ServerVersion } from "../../core/services/server-version.ts";
import type { Database, Sql } from "./database.ts";
import { engineHost, engineHostColumns, type EngineHostRow } from "./hosts.ts";
import { startDeadline } from "./leases.ts";
import { fillSlot, lockFreeSlot, lockOpenHost } from "./slots.ts";

/** What stands where a holder's would, until there is one: no token has this hash. */
const NOBODYS = { address: "", tokenHash: Buffer.alloc(32) };

/** Rows of instances that are nobody's yet. They are those with a nonce: a hand-out erases it. */
export function warmPoolStatements(database: Database): WarmPool {
  const begin: WarmPool["begin"] = (draft, hostName) =>
    database.transaction(async (sql) => {
      const host = await lockOpenHost(sql, hostName);
      if (!host) return { kind: "host-closed" };
      const slot = await lockFreeSlot(sql, host, draft.createdAt);
      if (!slot) return { kind: "host-full" };
      await fillSlot(sql, host, slot, { ...draft, ...NOBODYS, state: "warming" });
      return { kind: "taken", port: slot.port };
    });

  const ready: WarmPool["ready"] = (id, server, now) =>
    database.query(
      async (sql) =>
        (await sql.run(
          `UPDATE instances JOIN hosts ON hosts.id = host_id
              SET instances.state = 'warm', warm_since = ?, engine = ?, engine_version = ?
            WHERE instances.id = ? AND instances.state = 'warming' AND ${startDeadline} > ? AND hosts.state = 'active'`,
          [now, server.engine, server.version, id, now],
        )) === 1,
    );

  const end: WarmPool["end"] = (id) => database.query((sql) => endWarmIn(sql, id));

  const list: WarmPool["list"] = () =>
    database.query(async (sql) => {
      const rows = await sql.rows<
        EngineHostRow & { id: string; state: WarmInstance["state"]; recipe: Buffer; created_at: Date; deadline: Date }
      >(
        `SELECT instances.id, instances.state, recipe, instances.created_at, ${startDeadline} AS deadline,
                ${engineHostColumns}
           FROM instances
           JOIN hosts ON hosts.id = host_id
           JOIN deployment
          WHERE instances.state IN ('warming', 'warm')
          ORDER BY instances.created_at, instances.id`,
      );
      return rows.map((row) => ({
        instanceId: row.id,
        state: row.state,
        host: engineHost(row),
        recipe: row.recipe,
        createdAt: row.created_at,
        deadline: row.deadline,
      }));
    });

  const countColdStarts: WarmPool["countColdStarts"] = () =>
    database.query(async (sql) => {
      const rows = await sql.rows<{ name: string; starts: number }>(
        `SELECT hosts.name, COUNT(*) AS starts
           FROM instances JOIN hosts ON hosts.id = host_id
          WHERE instances.state = 'starting' AND warm_since IS NULL
          GROUP BY hosts.name`,
      );
      return new Map(rows.map(({ name, starts }) => [name, starts]));
    });

  const countHandedOut: WarmPool["countHandedOut"] = (since) =>
    database.query(async (sql) => {
      const [row] = await sql.rows<{ handed_out: number; warm: number }>(
        "SELECT COUNT(*) AS handed_out, COUNT(warm_since) AS warm FROM instances WHERE handed_out_at >= ?",
        [since],
      );
      return { all: row?.handed_out ?? 0, warm: row?.warm ?? 0 };
    });

  return { begin, ready, end, list, countColdStarts, countHandedOut };
}

/** The oldest instance of the pool that a hand-out can claim; locked, and passed over by other hand-outs. */
export async function lockWarm(
  sql: Sql,
  hostId: number,
  { recipe, readySince }: WarmOffer,
): Promise<
  { readonly id: string; readonly port: number; nonce: Buffer; passwordHash: Buffer; server: ServerVersion } | undefined
> {
  // In the order of an index, which starts with the oldest: rows that had to be sorted would all be locked.
  const [row] = await sql.rows<{
    id: string;
    port: number;
    password_nonce: Buffer;
    password_hash: Buffer;
    engine: ServerVersion["engine"];
    engine_version: string;
  }>(
    `SELECT id, port, password_nonce, password_hash, engine, engine_version
       FROM instances FORCE INDEX (instances_use)
      WHERE host_id = ? AND state = 'warm' AND recipe = ? AND warm_since >= ?
      ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [hostId, recipe, readySince],
  );
  return (
    row && {
      id: row.id,
      port: row.port,
      nonce: row.password_nonce,
      passwordHash: row.password_hash,
      server: { engine: row.engine, version: row.engine_version },
    }
  );
}

/**
 * Begins the end of an instance of the pool on a host, for a hand-out that needs its slot: one that is not ready
 * before one that is.
 */
export async function evictIn(
  sql: Sql,
  hostId: number,
): Promise<{ readonly instanceId: string; readonly isStarting: boolean } | undefined> {
  for (const state of ["warming", "warm"] as const) {
    const [row] = await sql.rows<{ id: string }>(
      // In the order of an index, see lockWarm.
      `SELECT id FROM instances FORCE INDEX (instances_use)
        WHERE host_id = ? AND state = ?
        ORDER BY expires_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
      [hostId, state],
    );
    if (row && (await endWarmIn(sql, row.id))) return { instanceId: row.id, isStarting: state === "warming" };
  }
  return undefined;
}

/** The end of an instance of the pool, as a part of a transaction. */
export async function endWarmIn(sql: Sql, id: string): Promise<boolean> {
  return (
    (await sql.run("UPDATE instances SET state = 'ending' WHERE id = ? AND state IN ('warming', 'warm')", [id])) === 1
  );
}
