import { hourOf } from "../../core/instances/budgets.ts";
import type { Leases } from "../../core/instances/contract.ts";
import type { ContainerPlace, HeldInstance, Instance, InstanceState, Restart } from "../../core/instances/instance.ts";
import type { EndCause, RestartCause } from "../../core/events/names.ts";
import type { ServerVersion } from "../../core/services/server-version.ts";
import type { RowFacts } from "../../core/instances/repairs.ts";
import type { Database, Sql } from "./database.ts";
import { filled, NAMED_AT_ONCE, PLACES } from "./lists.ts";
import { engineHost, engineHostColumns, type EngineHostRow } from "./hosts.ts";

/**
 * Time by which a hand-out must be finished. Replicas older than `start_deadline` read and write it in the
 * column of the lease's end: until a later migration ends that, both columns are written.
 */
export const startDeadline = "COALESCE(instances.start_deadline, instances.expires_at)";

/** Whether a hand-out has begun: instances of the warm pool are nobody's until then, and are shown to nobody. */
export const isSomebodys = "instances.password_nonce IS NULL";

/** Whether an instance of the warm pool has never been ready: who starts it may still be at work until its deadline. */
const isBeingWarmed = "(instances.password_nonce IS NOT NULL AND instances.warm_since IS NULL)";

/** Columns of an {@link InstanceRow}, of tables instances and hosts. */
export const instanceColumns = `
  instances.id, instances.state, hosts.name AS host_name, hosts.public_host, instances.port, instances.address,
  instances.token_hash, instances.password_hash, instances.created_at, instances.warm_since, instances.handed_out_at,
  ${startDeadline} AS deadline, instances.expires_at, instances.latest_end, instances.sent_bytes, instances.ended_at,
  instances.end_cause, instances.engine, instances.engine_version, instances.restarted_at, instances.restart_cause`;

const statesBefore: Readonly<Record<EndCause, string>> = {
  failed: "'starting'",
  abandoned: "'starting', 'running'",
  expired: "'running'",
  lost: "'running'",
  owner: "'starting', 'running'",
  operator: "'starting', 'running'",
  misuse: "'running'",
};

/** A row of {@link instanceColumns}. */
export type InstanceRow = {
  id: string;
  state: InstanceState;
  host_name: string;
  public_host: string;
  port: number;
  address: string;
  token_hash: Buffer;
  password_hash: Buffer | null;
  created_at: Date;
  warm_since: Date | null;
  handed_out_at: Date | null;
  deadline: Date;
  expires_at: Date;
  latest_end: Date;
  sent_bytes: number;
  ended_at: Date | null;
  end_cause: EndCause | null;
  engine: ServerVersion["engine"] | null;
  engine_version: string | null;
  restarted_at: Date | null;
  restart_cause: RestartCause | null;
};

/** Rows of instances from hand-out to the end: reading, changing the lease, ending, closing. */
export function leaseStatements(database: Database): Leases {
  function find(id: string): Promise<Instance | undefined> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<InstanceRow>(
        `SELECT ${instanceColumns} FROM instances JOIN hosts ON hosts.id = host_id
         WHERE instances.id = ? AND ${isSomebodys}`,
        [id],
      );
      return row && toInstance(row);
    });
  }

  function findAt(publicHost: string, port: number): Promise<Instance | undefined> {
    return database.query(async (sql) => {
      // A slot keeps its instance until the container is gone, so that nobody else can have the address meanwhile.
      const [row] = await sql.rows<InstanceRow>(
        `SELECT ${instanceColumns}
         FROM slots
         JOIN hosts ON hosts.id = slots.host_id
         JOIN instances ON instances.id = slots.instance_id
         WHERE hosts.public_host = ? AND LOWER(hosts.public_host) = ? AND slots.port = ? AND ${isSomebodys}`,
        [publicHost, publicHost, port],
      );
      return row && toInstance(row);
    });
  }

  function setExpiry(id: string, expiresAt: Date, now: Date): Promise<boolean> {
    return database.query(
      async (sql) =>
        (await sql.run("UPDATE instances SET expires_at = ? WHERE id = ? AND state = 'running' AND expires_at > ?", [
          expiresAt,
          id,
          now,
        ])) === 1,
    );
  }

  function beginEnd(id: string, cause: EndCause, now: Date): Promise<boolean> {
    return database.transaction((sql) => beginEndIn(sql, id, cause, now));
  }

  async function endOver(now: Date): Promise<number> {
    let ended = 0;
    for (let batch = NAMED_AT_ONCE; batch === NAMED_AT_ONCE; ended += batch)
      batch = await database.transaction(async (sql) => {
        // Locked in one order: of two reapers the second waits, and passes over what the first has ended.
        const ids = (
          await sql.rows<{ id: string }>(
            `SELECT id FROM instances WHERE state = 'running' AND expires_at <= ?
              ORDER BY expires_at LIMIT ${NAMED_AT_ONCE} FOR UPDATE`,
            [now],
          )
        ).map(({ id }) => id);
        if (ids.length === 0) return 0;
        const named = filled(ids);
        await sql.run(`UPDATE instances SET state = 'ending', end_cause = 'expired' WHERE id IN (${PLACES})`, named);
        // With the places of their networks.
        await sql.run(`DELETE FROM quota_places WHERE instance_id IN (${PLACES})`, named);
        await sql.run(`DELETE FROM idempotency_keys WHERE instance_id IN (${PLACES})`, named);
        return ids.length;
      });
    return ended;
  }

  function close(id: string, now: Date, portTakenUntil?: Date): Promise<void> {
    return database.transaction(async (sql) => {
      const closed = await sql.run(
        "UPDATE instances SET state = 'ended', ended_at = ? WHERE id = ? AND state = 'ending'",
        [now, id],
      );
      if (closed === 1)
        await sql.run(
          `UPDATE slots JOIN hosts ON hosts.id = slots.host_id
            SET slots.instance_id = NULL, slots.free_since = ?, slots.port_taken_until = ?,
                slots.port = hosts.base_port + slots.slot
          WHERE slots.instance_id = ?`,
          [now, portTakenUntil ?? null, id],
        );
      // There is nothing to tell of an instance that nobody has held.
      if (closed === 1) await sql.run(`DELETE FROM instances WHERE id = ? AND NOT ${isSomebodys}`, [id]);
    });
  }

  function findContainer(id: string): Promise<ContainerPlace | undefined> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<EngineHostRow & { id: string; state: InstanceState }>(
        `SELECT instances.id, instances.state, ${engineHostColumns}
         FROM instances
         JOIN hosts ON hosts.id = host_id
         JOIN deployment
         WHERE instances.id = ? AND ${isSomebodys}`,
        [id],
      );
      return row && { instanceId: row.id, state: row.state, host: engineHost(row) };
    });
  }

  function findAddress(id: string): Promise<{ readonly host: string; readonly port: number } | undefined> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<{ host: string; port: number }>(
        `SELECT hosts.check_host AS host, instances.port
         FROM instances
         JOIN hosts ON hosts.id = host_id
         WHERE instances.id = ?`,
        [id],
      );
      return row && { host: row.host, port: row.port };
    });
  }

  function listDue(now: Date): Promise<ContainerPlace[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<EngineHostRow & { id: string; state: InstanceState }>(
        `SELECT instances.id, instances.state, ${engineHostColumns}
         FROM instances
         JOIN hosts ON hosts.id = host_id
         JOIN deployment
          WHERE (instances.state = 'running' AND expires_at <= ?)
             OR (instances.state = 'ending' AND NOT (${isBeingWarmed} AND ${startDeadline} > ?))
          ORDER BY expires_at`,
        [now, now],
      );
      return rows.map((row) => ({ instanceId: row.id, state: row.state, host: engineHost(row) }));
    });
  }

  function listHeld(): Promise<HeldInstance[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<EngineHostRow & Omit<HeldInstance, "instanceId" | "host"> & { id: string }>(
        `SELECT instances.id, instances.state, instances.address, hosts.check_host AS checkHost, instances.port,
           ${engineHostColumns}
         FROM instances
         JOIN hosts ON hosts.id = host_id
         JOIN deployment
         WHERE instances.state IN ('starting', 'running')`,
      );
      return rows.map((row) => ({
        instanceId: row.id,
        state: row.state,
        address: row.address,
        checkHost: row.checkHost,
        port: row.port,
        host: engineHost(row),
      }));
    });
  }

  function noteRestart(id: string, { at, cause }: Restart): Promise<boolean> {
    return database.query(
      async (sql) =>
        (await sql.run(
          `UPDATE instances SET restarted_at = ?, restart_cause = ?
            WHERE id = ? AND state = 'running' AND created_at <= ? AND (restarted_at IS NULL OR restarted_at < ?)`,
          [at, cause, id, at, at],
        )) === 1,
    );
  }

  function listServers(): Promise<ServerVersion[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<ServerVersion>(
        `SELECT DISTINCT engine, engine_version AS version
         FROM instances
         WHERE state = 'running' AND engine_version IS NOT NULL
         ORDER BY engine, version`,
      );
      return rows.map(({ engine, version }) => ({ engine, version }));
    });
  }

  function listOpenOf(hostName: string): Promise<RowFacts[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<{ id: string; state: RowFacts["state"]; deadline: Date }>(
        `SELECT instances.id, instances.state, ${startDeadline} AS deadline
         FROM instances
         JOIN hosts ON hosts.id = host_id
         WHERE hosts.name = ? AND instances.state <> 'ended'`,
        [hostName],
      );
      return rows.map(({ id, state, deadline }) =>
        state === "starting" || state === "warming" ? { id, state, deadline } : { id, state },
      );
    });
  }

  return {
    find,
    findAt,
    setExpiry,
    beginEnd,
    endOver,
    close,
    findContainer,
    findAddress,
    listDue,
    listHeld,
    noteRestart,
    listServers,
    listOpenOf,
  };
}

/** {@link leaseStatements}' `beginEnd` as a part of a transaction. */
export async function beginEndIn(sql: Sql, id: string, cause: EndCause, now: Date): Promise<boolean> {
  const begun = await sql.run(
    `UPDATE instances SET state = 'ending', end_cause = ?
      WHERE id = ? AND state IN (${statesBefore[cause]}) AND (? <> 'expired' OR expires_at <= ?)`,
    [cause, id, cause, now],
  );
  if (begun === 0) return false;
  if (cause === "failed") await takeBackStart(sql, id);
  // With the places of its networks.
  await sql.run("DELETE FROM quota_places WHERE instance_id = ?", [id]);
  await sql.run("DELETE FROM idempotency_keys WHERE instance_id = ?", [id]);
  return true;
}

/** A hand-out that failed on our side is no start of its holder's. */
async function takeBackStart(sql: Sql, id: string): Promise<void> {
  const counted = await sql.rows<{ budget: string; created_at: Date }>(
    `SELECT address AS budget, created_at FROM instances WHERE id = ?
     UNION ALL
     SELECT network, created_at FROM network_places JOIN instances ON instances.id = instance_id WHERE instances.id = ?`,
    [id, id],
  );
  for (const { budget, created_at: createdAt } of counted)
    await sql.run("UPDATE starts SET starts = starts - 1 WHERE budget = ? AND hour = ? AND starts > 0", [
      budget,
      hourOf(createdAt),
    ]);
}

/** The instance out of a row. */
export function toInstance(row: InstanceRow): Instance {
  return {
    id: row.id,
    state: row.state,
    hostName: row.host_name,
    publicHost: row.public_host,
    port: row.port,
    address: row.address,
    tokenHash: row.token_hash,
    passwordHash: row.password_hash,
    createdAt: row.created_at,
    warmSince: row.warm_since,
    ...(row.handed_out_at === null
      ? { handedOutAt: null, deadline: row.deadline, expiresAt: null }
      : { handedOutAt: row.handed_out_at, deadline: null, expiresAt: row.expires_at }),
    latestEnd: row.latest_end,
    sentBytes: row.sent_bytes,
    endedAt: row.ended_at,
    endCause: row.end_cause,
    server:
      row.engine === null || row.engine_version === null ? null : { engine: row.engine, version: row.engine_version },
    lastRestart: row.restarted_at === null ? null : { at: row.restarted_at, cause: row.restart_cause ?? "unknown" },
  };
}
