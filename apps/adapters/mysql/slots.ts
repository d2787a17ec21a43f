import type { Slots, TakenSlot } from "../../core/operator/contract.ts";
import type { Database } from "./database.ts";

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
