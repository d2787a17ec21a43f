import type { ContainerPlace, EndCause, Instance, InstanceState } from "../../core/instances/instance.ts";
import type { RowFacts } from "../../core/instances/repairs.ts";
import type { Database, Session } from "./database.ts";
import { engineHost, engineHostColumns, type EngineHostRow } from "./hosts.ts";

/** Columns of an {@link InstanceRow}, of tables instances and hosts. */
export const instanceColumns = `instances.id, instances.state, hosts.name AS host_name, hosts.public_host, instances.port, instances.address, instances.token_hash,
  instances.created_at, instances.expires_at, instances.latest_end, instances.ended_at, instances.end_cause`;

const statesBefore: Readonly<Record<EndCause, string>> = {
  failed: "'starting'",
  abandoned: "'starting', 'running'",
  expired: "'running'",
  lost: "'running'",
  owner: "'starting', 'running'",
  operator: "'starting', 'running'",
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
  created_at: Date;
  expires_at: Date;
  latest_end: Date;
  ended_at: Date | null;
  end_cause: EndCause | null;
};

/** Rows of instances from hand-out to the end: reading, changing the lease, ending, closing. */
export function leaseStatements(database: Database) {
  /** The instance with this id, or undefined; ended ones are found until history is pruned. */
  function findInstance(id: string): Promise<Instance | undefined> {
    return database.query(async (session) => {
      const [row] = await session.rows<InstanceRow>(
        `SELECT ${instanceColumns} FROM instances JOIN hosts ON hosts.id = host_id WHERE instances.id = ?`,
        [id],
      );
      return row && toInstance(row);
    });
  }

  /** Instances not yet ended, newest first, `most` of them at most. */
  function listOpen(most: number): Promise<Instance[]> {
    return database.query(async (session) => {
      const rows = await session.rows<InstanceRow>(
        `SELECT ${instanceColumns} FROM instances JOIN hosts ON hosts.id = host_id WHERE instances.state IN ('starting', 'running', 'ending') ORDER BY instances.created_at DESC LIMIT ${Math.trunc(most)}`,
      );
      return rows.map(toInstance);
    });
  }

  /** Moves the end of a lease that is still running; false when it is over. */
  function setExpiry(id: string, expiresAt: Date, now: Date): Promise<boolean> {
    return database.query(
      async (session) =>
        (await session.run(
          "UPDATE instances SET expires_at = ? WHERE id = ? AND state = 'running' AND expires_at > ?",
          [expiresAt, id, now],
        )) === 1,
    );
  }

  /**
   * Begins the end of an instance: from here on it is no lease, its quota place and idempotency key
   * are free, its slot is not yet. Only one caller begins it. "expired" begins only when the lease is
   * over at `now`, so that an extension made meanwhile counts; "failed" begins only before the
   * hand-out, "lost" only after it.
   * @returns whether this call began the end
   */
  function beginEnd(id: string, cause: EndCause, now: Date): Promise<boolean> {
    return database.transaction((session) => beginEndIn(session, id, cause, now));
  }

  /** Closes an ending instance whose container is gone and frees its slot from `slotFreeFrom` on. Again: no change. */
  function closeInstance(id: string, now: Date, slotFreeFrom: Date = now): Promise<void> {
    return database.transaction(async (session) => {
      const closed = await session.run(
        "UPDATE instances SET state = 'ended', ended_at = ? WHERE id = ? AND state = 'ending'",
        [now, id],
      );
      if (closed === 1)
        await session.run(
          `UPDATE slots JOIN hosts ON hosts.id = slots.host_id
            SET slots.instance_id = NULL, slots.free_since = ?, slots.port = hosts.base_port + slots.slot
          WHERE slots.instance_id = ?`,
          [slotFreeFrom, id],
        );
    });
  }

  /** Where the container of an instance is, or undefined when the instance is unknown. */
  function findContainer(id: string): Promise<ContainerPlace | undefined> {
    return database.query(async (session) => {
      const [row] = await session.rows<EngineHostRow & { id: string; state: InstanceState }>(
        `SELECT instances.id, instances.state, ${engineHostColumns} FROM instances JOIN hosts ON hosts.id = host_id JOIN deployment WHERE instances.id = ?`,
        [id],
      );
      return row && { instanceId: row.id, state: row.state, host: engineHost(row) };
    });
  }

  /** Instances to be ended at `now`: leases past their end, and those whose end has begun. */
  function listDue(now: Date): Promise<ContainerPlace[]> {
    return database.query(async (session) => {
      const rows = await session.rows<EngineHostRow & { id: string; state: InstanceState }>(
        `SELECT instances.id, instances.state, ${engineHostColumns} FROM instances JOIN hosts ON hosts.id = host_id JOIN deployment
          WHERE (instances.state = 'running' AND expires_at <= ?) OR instances.state = 'ending'
          ORDER BY expires_at`,
        [now],
      );
      return rows.map((row) => ({ instanceId: row.id, state: row.state, host: engineHost(row) }));
    });
  }

  /** Instances of a host that are not ended. */
  function listOpenOf(hostName: string): Promise<RowFacts[]> {
    return database.query(async (session) => {
      const rows = await session.rows<{ id: string; state: InstanceState; expires_at: Date }>(
        "SELECT instances.id, instances.state, expires_at FROM instances JOIN hosts ON hosts.id = host_id WHERE hosts.name = ? AND instances.state <> 'ended'",
        [hostName],
      );
      return rows.map((row) => ({ id: row.id, state: row.state, deadline: row.expires_at }));
    });
  }

  return { findInstance, listOpen, setExpiry, beginEnd, closeInstance, findContainer, listDue, listOpenOf };
}

/** {@link leaseStatements}' `beginEnd` as a part of a transaction. */
export async function beginEndIn(session: Session, id: string, cause: EndCause, now: Date): Promise<boolean> {
  const begun = await session.run(
    `UPDATE instances SET state = 'ending', end_cause = ?
      WHERE id = ? AND state IN (${statesBefore[cause]}) AND (? <> 'expired' OR expires_at <= ?)`,
    [cause, id, cause, now],
  );
  if (begun === 0) return false;
  await session.run("DELETE FROM quota_places WHERE instance_id = ?", [id]);
  await session.run("DELETE FROM idempotency_keys WHERE instance_id = ?", [id]);
  return true;
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
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    latestEnd: row.latest_end,
    endedAt: row.ended_at,
    endCause: row.end_cause,
  };
}
