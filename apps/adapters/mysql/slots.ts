import type { Slots, TakenSlot } from "../../core/operator/contract.ts";
import type { Database, Sql } from "./database.ts";

/** Slots of hosts, as the operator sees them. */
export function slotStatements(database: Database): Slots {
  function listTaken(now: Date): Promise<TakenSlot[]> {
    // Older replicas without `port_taken_until` set `free_since` to a later time instead.
    return database.query((sql) =>
      sql.rows(
        `SELECT hosts.name AS hostName, slots.slot, COALESCE(instances.state, 'port-taken') AS state
           FROM slots JOIN hosts ON hosts.id = slots.host_id LEFT JOIN instances ON instances.id = slots.instance_id
          WHERE hosts.state <> 'gone'
            AND (slots.instance_id IS NOT NULL OR slots.port_taken_until > ? OR slots.free_since > ?)
          ORDER BY slots.host_id, slots.slot`,
        [now, now],
      ),
    );
  }

  return { listTaken };
}

/** A host that takes instances, locked as {@link lockOpenHost} says. */
export type OpenHost = { readonly id: number; readonly capacity: number };

/** A slot that is locked, and the port that it publishes. */
export type FreeSlot = { readonly slot: number; readonly port: number };

/**
 * The host, when it takes instances. The lock is shared with others that take slots, exclusive against a change of
 * the host's state: after a drain has begun, nobody can still take a slot.
 */
export async function lockOpenHost(sql: Sql, hostName: string): Promise<OpenHost | undefined> {
  const [host] = await sql.rows<OpenHost>(
    "SELECT id, capacity FROM hosts WHERE name = ? AND state = 'active' LOCK IN SHARE MODE",
    [hostName],
  );
  return host;
}

/** A row of an instance that has just got a slot. `nonce` and `recipe` are those of the warm pool, else null. */
export type NewInstance = {
  readonly id: string;
  readonly state: "starting" | "warming";
  readonly address: string;
  readonly tokenHash: Buffer;
  readonly passwordHash: Buffer;
  readonly nonce: Buffer | null;
  readonly recipe: Buffer | null;
  readonly createdAt: Date;
  readonly deadline: Date;
  readonly latestEnd: Date;
};

/** Writes an instance's row, and gives it a slot that was locked. */
export async function fillSlot(sql: Sql, host: OpenHost, slot: FreeSlot, instance: NewInstance): Promise<void> {
  await sql.run(
    `INSERT INTO instances
       (id, state, host_id, port, address, token_hash, password_hash, password_nonce, recipe, created_at,
        start_deadline, expires_at, latest_end)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      instance.id,
      instance.state,
      host.id,
      slot.port,
      instance.address,
      instance.tokenHash,
      instance.passwordHash,
      instance.nonce,
      instance.recipe,
      instance.createdAt,
      instance.deadline,
      // For older replicas, which read it in this column; see startDeadline.
      instance.deadline,
      instance.latestEnd,
    ],
  );
  await sql.run("UPDATE slots SET instance_id = ? WHERE host_id = ? AND slot = ?", [instance.id, host.id, slot.slot]);
}

/** The slot of a host that has been free for longest, locked; undefined when there is none. */
export async function lockFreeSlot(sql: Sql, host: OpenHost, now: Date): Promise<FreeSlot | undefined> {
  // Slots that others are about to take are skipped, not waited for. After a change of the host's
  // ports an instance may still use one that now belongs to another slot. Older replicas without
  // `port_taken_until` set `free_since` to a later time instead.
  const [slot] = await sql.rows<FreeSlot>(
    `SELECT slot, port FROM slots
      WHERE host_id = ? AND instance_id IS NULL AND free_since <= ? AND slot < ?
        AND (port_taken_until IS NULL OR port_taken_until <= ?)
        AND NOT EXISTS (
          SELECT 1 FROM slots AS taken
          WHERE taken.host_id = slots.host_id AND taken.port = slots.port AND taken.instance_id IS NOT NULL)
      ORDER BY free_since, slot LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [host.id, now, host.capacity, now],
  );
  return slot;
}
