import type { GatewayDroplets } from "../../core/fleet/contract.ts";
import type { DropletCost } from "../../core/fleet/droplet-costs.ts";
import type { GatewayDropletRow, GatewayDropletState } from "../../core/fleet/gateway-droplets.ts";
import { codeOf, type Database } from "./database.ts";
import { isInTerm } from "./droplets.ts";

type DbRow = {
  name: string;
  state: GatewayDropletState;
  droplet_id: number | null;
  plan: string;
  ordered_at: Date;
  joined_at: Date | null;
  silent_since: Date | null;
  draining_since: Date | null;
};

/** Rows of gateways that the fleet orders. */
export function gatewayDropletStatements(database: Database): GatewayDroplets {
  return {
    list: () =>
      database.query(async (sql) => {
        const rows = await sql.rows<DbRow>(
          `SELECT name, state, droplet_id, plan, ordered_at, joined_at, silent_since, draining_since
             FROM gateway_droplets WHERE state <> 'gone' AND name IS NOT NULL ORDER BY number`,
        );
        return rows.map(toRow);
      }),

    listCosts: (since) =>
      database.query(async (sql) => {
        const rows = await sql.rows<Omit<DropletCost, "hourlyPrice"> & { hourlyPrice: string | null }>(
          `SELECT droplet_id AS dropletId, hourly_price AS hourlyPrice, ordered_at AS orderedAt, gone_at AS goneAt
             FROM gateway_droplets WHERE name IS NOT NULL AND (state <> 'gone' OR gone_at >= ?) ORDER BY number`,
          [since],
        );
        return rows.map((row) => ({ ...row, hourlyPrice: row.hourlyPrice === null ? null : Number(row.hourlyPrice) }));
      }),

    readOrderFailures: () =>
      database.query(async (sql) => {
        const [row] = await sql.rows<{ in_a_row: number; out_of_stock: number | string | null; last_at: Date | null }>(
          `SELECT COUNT(*) AS in_a_row, SUM(out_of_stock) AS out_of_stock, MAX(ending_at) AS last_at
             FROM gateway_droplets
            WHERE joined_at IS NULL AND ending_at IS NOT NULL
              AND number > (SELECT COALESCE(MAX(number), 0) FROM gateway_droplets WHERE joined_at IS NOT NULL)`,
        );
        return { inARow: row?.in_a_row ?? 0, outOfStock: Number(row?.out_of_stock ?? 0), lastAt: row?.last_at ?? null };
      }),

    addOrder: (term, { namePrefix, region, size, tokenHash, cap, plan }, now) =>
      database.transaction(async (sql) => {
        if (!(await isInTerm(sql, term))) return undefined;
        const [{ existing } = { existing: 0 }] = await sql.rows<{ existing: number }>(
          "SELECT COUNT(*) AS existing FROM gateway_droplets WHERE state <> 'gone'",
        );
        if (existing >= cap) return undefined;
        await sql.run(
          "INSERT INTO gateway_droplets (region, size, plan, token_hash, ordered_at) VALUES (?, ?, ?, ?, ?)",
          [region, size, plan, tokenHash, now],
        );
        const [{ number } = { number: 0 }] = await sql.rows<{ number: number }>("SELECT LAST_INSERT_ID() AS number");
        const name = `${namePrefix}-${number}`;
        await sql.run("UPDATE gateway_droplets SET name = ? WHERE number = ?", [name, number]);
        return name;
      }),

    adopt: (name, dropletId, hourlyPrice) =>
      database.query(async (sql) => {
        try {
          const adopted = await sql.run(
            `UPDATE gateway_droplets SET state = 'booting', droplet_id = ?, hourly_price = ?
              WHERE name = ? AND state = 'ordered'`,
            [dropletId, hourlyPrice, name],
          );
          if (adopted === 1) return true;
        } catch (fault) {
          if (codeOf(fault) === "ER_DUP_ENTRY") return false;
          throw fault;
        }
        const same = "SELECT name FROM gateway_droplets WHERE name = ? AND droplet_id = ?";
        return (await sql.rows(same, [name, dropletId])).length === 1;
      }),

    closeOrder: async (name, reason, outOfStock, now) => {
      await database.query((sql) =>
        sql.run(
          `UPDATE gateway_droplets SET state = 'gone', ending_at = ?, gone_at = ?, end_reason = ?, out_of_stock = ?
            WHERE name = ? AND state = 'ordered'`,
          [now, now, reason.slice(0, 255), outOfStock ? 1 : 0, name],
        ),
      );
    },

    listGoneIds: (since) =>
      database.query(async (sql) =>
        (
          await sql.rows<{ droplet_id: number }>(
            "SELECT droplet_id FROM gateway_droplets WHERE state = 'gone' AND gone_at > ? AND droplet_id IS NOT NULL",
            [since],
          )
        ).map((row) => row.droplet_id),
      ),

    enrol: ({ name, tokenHash, secretHash }) =>
      database.query(async (sql) => {
        const granted = await sql.run(
          `UPDATE gateway_droplets SET key_hash = ?
            WHERE name = ? AND token_hash = ? AND state IN ('ordered', 'booting') AND (key_hash IS NULL OR key_hash = ?)`,
          [secretHash, name, tokenHash, secretHash],
        );
        return granted === 1 ? "granted" : "refused";
      }),

    identify: (name, secretHash) =>
      database.query(async (sql) => {
        const [row] = await sql.rows<{ state: GatewayDropletState }>(
          `SELECT state FROM gateway_droplets
            WHERE name = ? AND key_hash = ? AND state IN ('ordered', 'booting', 'joined', 'draining')`,
          [name, secretHash],
        );
        return row && { isDraining: row.state === "draining" };
      }),

    admit: (name, now) =>
      database.query(
        async (sql) =>
          (await sql.run(
            "UPDATE gateway_droplets SET state = 'joined', joined_at = ? WHERE name = ? AND state = 'booting'",
            [now, name],
          )) === 1,
      ),

    keepTimers: (timers) =>
      database.query(async (sql) => {
        for (const { name, silentSince, drainingSince } of timers)
          await sql.run(
            `UPDATE gateway_droplets SET silent_since = ?, draining_since = ?
              WHERE name = ? AND state IN ('joined', 'draining')`,
            [silentSince, drainingSince, name],
          );
      }),

    forgetSilence: async () => {
      await database.query((sql) =>
        sql.run("UPDATE gateway_droplets SET silent_since = NULL WHERE silent_since IS NOT NULL"),
      );
    },

    beginDrain: (term, name, now) =>
      database.transaction(async (sql) => {
        if (!(await isInTerm(sql, term))) return false;
        const begun = await sql.run(
          "UPDATE gateway_droplets SET state = 'draining', draining_since = ? WHERE name = ? AND state = 'joined'",
          [now, name],
        );
        return begun === 1;
      }),

    beginDestroy: (term, name, reason, now) =>
      database.transaction(async (sql) => {
        if (!(await isInTerm(sql, term))) return false;
        const begun = await sql.run(
          `UPDATE gateway_droplets SET state = 'destroying', ending_at = ?, end_reason = ?
            WHERE name = ? AND state IN ('booting', 'joined', 'draining')`,
          [now, reason.slice(0, 255), name],
        );
        return begun === 1;
      }),

    close: async (name, reason, now) => {
      await database.query((sql) =>
        sql.run(
          `UPDATE gateway_droplets
              SET state = 'gone', gone_at = ?, ending_at = COALESCE(ending_at, ?), end_reason = COALESCE(end_reason, ?)
            WHERE name = ? AND state <> 'gone'`,
          [now, now, reason.slice(0, 255), name],
        ),
      );
    },
  };
}

function toRow(row: DbRow): GatewayDropletRow {
  return {
    name: row.name,
    state: row.state,
    dropletId: row.droplet_id,
    plan: row.plan,
    orderedAt: row.ordered_at,
    joinedAt: row.joined_at,
    silentSince: row.silent_since,
    drainingSince: row.draining_since,
  };
}
