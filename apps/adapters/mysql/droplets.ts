import type { Droplets, OrderIntent } from "../../core/fleet/contract.ts";
import type { DropletLife, DropletRow, DropletState, OrderFailures } from "../../core/fleet/droplets.ts";
import type { NewHost } from "../../core/fleet/host.ts";
import { SCALING, type HostTimers } from "../../core/fleet/scaling.ts";
import { codeOf, type Database, type Sql } from "./database.ts";
import { countForOperators, registerHostIn } from "./hosts.ts";
import { beginEndIn, isSomebodys } from "./leases.ts";

type DropletDbRow = {
  name: string;
  state: DropletState;
  droplet_id: number | null;
  ordered_at: Date;
  joined_at: Date | null;
  idle_since: Date | null;
  unwell_since: Date | null;
};

/** Rows of droplets. */
export function dropletStatements(database: Database): Droplets {
  function list(): Promise<DropletRow[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<DropletDbRow>(
        `SELECT name, state, droplet_id, ordered_at, joined_at, idle_since, unwell_since
         FROM droplets
         WHERE state <> 'gone' AND name IS NOT NULL
         ORDER BY number`,
      );
      return rows.map(toDroplet);
    });
  }

  function listLives(since: Date): Promise<DropletLife[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<Omit<DropletLife, "hourlyPrice"> & { hourlyPrice: string | null }>(
        `SELECT name, state, droplet_id AS dropletId, region, size, hourly_price AS hourlyPrice,
           ordered_at AS orderedAt, joined_at AS joinedAt, gone_at AS goneAt
           FROM droplets WHERE name IS NOT NULL AND (state <> 'gone' OR gone_at >= ?) ORDER BY number`,
        [since],
      );
      return rows.map((row) => ({ ...row, hourlyPrice: row.hourlyPrice === null ? null : Number(row.hourlyPrice) }));
    });
  }

  function readOrderFailures(): Promise<OrderFailures> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<{
        in_a_row: number;
        out_of_stock: number | string | null;
        last_at: Date | null;
      }>(
        `SELECT COUNT(*) AS in_a_row, SUM(out_of_stock) AS out_of_stock, MAX(ending_at) AS last_at FROM droplets
          WHERE joined_at IS NULL AND ending_at IS NOT NULL
            AND number > (SELECT COALESCE(MAX(number), 0) FROM droplets WHERE joined_at IS NOT NULL)`,
      );
      return { inARow: row?.in_a_row ?? 0, outOfStock: Number(row?.out_of_stock ?? 0), lastAt: row?.last_at ?? null };
    });
  }

  function addOrder(term: number, intent: OrderIntent, now: Date): Promise<string | undefined> {
    return database.transaction(async (sql) => {
      if (!(await isInTerm(sql, term))) return undefined;
      const [{ existing } = { existing: 0 }] = await sql.rows<{ existing: number }>(
        "SELECT COUNT(*) AS existing FROM droplets WHERE state <> 'gone'",
      );
      if (existing >= intent.cap) return undefined;
      await sql.run("INSERT INTO droplets (region, size, token_hash, ordered_at) VALUES (?, ?, ?, ?)", [
        intent.region,
        intent.size,
        intent.tokenHash,
        now,
      ]);
      const [{ number } = { number: 0 }] = await sql.rows<{ number: number }>("SELECT LAST_INSERT_ID() AS number");
      const name = `${intent.namePrefix}-${number}`;
      await sql.run("UPDATE droplets SET name = ? WHERE number = ?", [name, number]);
      return name;
    });
  }

  function adopt(name: string, dropletId: number, hourlyPrice: number): Promise<boolean> {
    return database.query(async (sql) => {
      try {
        const adopted = await sql.run(
          `UPDATE droplets
           SET state = 'booting', droplet_id = ?, hourly_price = ?
           WHERE name = ? AND state = 'ordered'`,
          [dropletId, hourlyPrice, name],
        );
        return (
          adopted === 1 ||
          (await sql.rows("SELECT name FROM droplets WHERE name = ? AND droplet_id = ?", [name, dropletId])).length ===
            1
        );
      } catch (fault) {
        if (codeOf(fault) === "ER_DUP_ENTRY") return false;
        throw fault;
      }
    });
  }

  async function closeOrder(name: string, reason: string, outOfStock: boolean, now: Date): Promise<void> {
    await database.query((sql) =>
      sql.run(
        `UPDATE droplets
         SET state = 'gone', ending_at = ?, gone_at = ?, end_reason = ?, out_of_stock = ?
         WHERE name = ? AND state = 'ordered'`,
        [now, now, reason.slice(0, 255), outOfStock ? 1 : 0, name],
      ),
    );
  }

  function enrol({
    hostName,
    tokenHash,
    keyHash,
  }: {
    readonly hostName: string;
    readonly tokenHash: Buffer;
    readonly keyHash: Buffer;
  }): Promise<"granted" | "refused"> {
    return database.query(async (sql) => {
      const granted = await sql.run(
        `UPDATE droplets
         SET key_hash = ?
         WHERE name = ?
           AND token_hash = ?
           AND state IN ('ordered', 'booting')
           AND (key_hash IS NULL OR key_hash = ?)`,
        [keyHash, hostName, tokenHash, keyHash],
      );
      return granted === 1 ? "granted" : "refused";
    });
  }

  function admit(host: NewHost, now: Date): Promise<boolean> {
    return database.transaction(async (sql) => {
      const joined = await sql.run(
        `UPDATE droplets
         SET state = 'joined', joined_at = ?, idle_since = ?
         WHERE name = ? AND state = 'booting' AND name NOT IN (SELECT name FROM doomed_hosts)`,
        [now, now, host.name],
      );
      if (joined === 1) await registerHostIn(sql, host, now);
      return joined === 1;
    });
  }

  function keepTimers(timers: readonly HostTimers[]): Promise<void> {
    return database.query(async (sql) => {
      for (const { name, idleSince, unhealthySince } of timers)
        await sql.run("UPDATE droplets SET idle_since = ?, unwell_since = ? WHERE name = ? AND state = 'joined'", [
          idleSince,
          unhealthySince,
          name,
        ]);
    });
  }

  async function forgetUnhealthy(): Promise<void> {
    await database.query((sql) => sql.run("UPDATE droplets SET unwell_since = NULL WHERE unwell_since IS NOT NULL"));
  }

  function keepReachability(reached: readonly string[], unreached: readonly string[], now: Date): Promise<void> {
    return database.query(async (sql) => {
      // Most have answered before, and now: only the others are written.
      const known = new Set(await unreachedIn(sql));
      for (const name of reached.filter((each) => known.has(each)))
        await sql.run("UPDATE droplets SET unreached_since = NULL WHERE name = ?", [name]);
      for (const name of unreached.filter((each) => !known.has(each)))
        await sql.run("UPDATE droplets SET unreached_since = ? WHERE name = ? AND unreached_since IS NULL", [
          now,
          name,
        ]);
    });
  }

  function listUnreached(): Promise<string[]> {
    return database.query(unreachedIn);
  }

  function listGoneIds(since: Date): Promise<number[]> {
    return database.query(async (sql) =>
      (
        await sql.rows<{ droplet_id: number }>(
          "SELECT droplet_id FROM droplets WHERE state = 'gone' AND gone_at > ? AND droplet_id IS NOT NULL",
          [since],
        )
      ).map((row) => row.droplet_id),
    );
  }

  function beginDrain(term: number, name: string): Promise<boolean> {
    return database.transaction(async (sql) => {
      if (!(await isInTerm(sql, term))) return false;
      // Hand-outs share this lock: none can take a slot between the check and the change.
      const [host] = await sql.rows<{ id: number }>(
        "SELECT id FROM hosts WHERE name = ? AND state = 'active' FOR UPDATE",
        [name],
      );
      if (!host || (await isUsed(sql, host.id))) return false;
      await sql.run("UPDATE hosts SET state = 'draining' WHERE id = ?", [host.id]);
      return true;
    });
  }

  function beginDestroy(
    term: number,
    name: string,
    reason: string,
    leases: "none" | "lost",
    now: Date,
  ): Promise<boolean> {
    return database.transaction(async (sql) => {
      if (!(await isInTerm(sql, term))) return false;
      await lockDroplet(sql, name);
      const [host] = await sql.rows<{ id: number }>("SELECT id FROM hosts WHERE name = ? FOR UPDATE", [name]);
      if (host && leases === "none" && (await isUsed(sql, host.id))) return false;
      const begun = await sql.run(
        `UPDATE droplets
         SET state = 'destroying', ending_at = ?, end_reason = ?
         WHERE name = ? AND state IN ('booting', 'joined')`,
        [now, reason.slice(0, 255), name],
      );
      if (begun === 0) return false;
      if (host) {
        await sql.run("UPDATE hosts SET state = 'draining' WHERE id = ?", [host.id]);
        await loseLeases(sql, host.id, now);
      }
      return true;
    });
  }

  function close(name: string, reason: string, now: Date): Promise<void> {
    return database.transaction(async (sql) => {
      await lockDroplet(sql, name);
      const [host] = await sql.rows<{ id: number }>("SELECT id FROM hosts WHERE name = ? FOR UPDATE", [name]);
      const closed = await sql.run(
        `UPDATE droplets
         SET state = 'gone', gone_at = ?, ending_at = COALESCE(ending_at, ?),
           end_reason = COALESCE(end_reason, ?)
         WHERE name = ? AND state <> 'gone'`,
        [now, now, reason.slice(0, 255), name],
      );
      if (closed === 0 || !host) return;
      await loseLeases(sql, host.id, now);
      await sql.run("UPDATE instances SET state = 'ended', ended_at = ? WHERE host_id = ? AND state = 'ending'", [
        now,
        host.id,
      ]);
      await sql.run("DELETE FROM host_ports WHERE host_id = ?", [host.id]);
      await sql.run("DELETE FROM workloads WHERE host_id = ?", [host.id]);
      await sql.run("DELETE FROM slots WHERE host_id = ?", [host.id]);
      await sql.run(`DELETE FROM instances WHERE host_id = ? AND NOT ${isSomebodys}`, [host.id]);
      await sql.run("UPDATE hosts SET state = 'gone' WHERE id = ?", [host.id]);
    });
  }

  return {
    list,
    listLives,
    readOrderFailures,
    addOrder,
    adopt,
    closeOrder,
    enrol,
    admit,
    keepTimers,
    forgetUnhealthy,
    keepReachability,
    listUnreached,
    listGoneIds,
    beginDrain,
    beginDestroy,
    close,
  };
}

async function unreachedIn(sql: Sql): Promise<string[]> {
  const rows = await sql.rows<{ name: string }>(
    "SELECT name FROM droplets WHERE unreached_since IS NOT NULL AND state <> 'gone' AND name IS NOT NULL",
  );
  return rows.map(({ name }) => name);
}

/** Whether a leader's term is the newest. Delays a change of leader until the transaction ends. */
export async function isInTerm(sql: Sql, term: number): Promise<boolean> {
  const [row] = await sql.rows<{ term: number }>("SELECT term FROM leaders WHERE job = ? FOR UPDATE", [SCALING]);
  return row?.term === term;
}

/**
 * Locks the droplet's row before the host's: whether a host exists must not change between the check and the
 * end of its droplet.
 */
export async function lockDroplet(sql: Sql, name: string): Promise<void> {
  await sql.rows("SELECT name FROM droplets WHERE name = ? FOR UPDATE", [name]);
}

/** Whether somebody needs a host: holders of leases, or operators. */
async function isUsed(sql: Sql, hostId: number): Promise<boolean> {
  return (await countLeases(sql, hostId)) > 0 || (await isForOperators(sql, hostId));
}

/** Whether a host balances ports or runs workloads. Who locks its row keeps others from declaring any. */
export async function isForOperators(sql: Sql, hostId: number): Promise<boolean> {
  const [row] = await sql.rows<{ declared: number }>(`SELECT ${countForOperators("?")} AS declared`, [hostId, hostId]);
  return (row?.declared ?? 0) > 0;
}

/** Instances of a host that count as use. */
export async function countLeases(sql: Sql, hostId: number): Promise<number> {
  const [row] = await sql.rows<{ leases: number }>(
    "SELECT COUNT(*) AS leases FROM instances WHERE host_id = ? AND state IN ('starting', 'running')",
    [hostId],
  );
  return row?.leases ?? 0;
}

/** Marks the leases of a host that is gone as lost; hand-outs under way fail, and warm instances are no use. */
async function loseLeases(sql: Sql, hostId: number, now: Date): Promise<void> {
  const leases = await sql.rows<{ id: string; state: string }>(
    "SELECT id, state FROM instances WHERE host_id = ? AND state IN ('starting', 'running')",
    [hostId],
  );
  for (const { id, state } of leases) await beginEndIn(sql, id, state === "running" ? "lost" : "failed", now);
  await sql.run("UPDATE instances SET state = 'ending' WHERE host_id = ? AND state IN ('warming', 'warm')", [hostId]);
}

function toDroplet(row: DropletDbRow): DropletRow {
  return {
    name: row.name,
    state: row.state,
    dropletId: row.droplet_id,
    orderedAt: row.ordered_at,
    joinedAt: row.joined_at,
    idleSince: row.idle_since,
    unhealthySince: row.unwell_since,
  };
}
