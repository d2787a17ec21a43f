import type { EngineHost, Host, HostState, NewHost } from "../../core/fleet/host.ts";
import type { Database, Session } from "./database.ts";

/** Columns that tell where a host's engine is; of tables hosts and deployment. */
export const engineHostColumns = "hosts.name, hosts.engine_url, deployment.id AS deployment";

/** A row of {@link engineHostColumns}. */
export type EngineHostRow = { name: string; engine_url: string; deployment: string };

/** The engine's place out of a row. */
export function engineHost(row: EngineHostRow): EngineHost {
  return { name: row.name, engineUrl: row.engine_url, deployment: row.deployment };
}

type HostRow = EngineHostRow & {
  public_host: string;
  check_host: string;
  bind_address: string;
  capacity: number;
  base_port: number;
  state: HostState;
};

/** Rows of hosts and their slots. */
export function hostStatements(database: Database) {
  /**
   * Adds a host with its slots, or brings a known one (same name) up to date; its state is kept. Slots
   * in use keep their instance and port until they are free; those beyond a smaller capacity are not
   * taken again, and go when the host is registered anew.
   */
  function registerHost(host: NewHost, now: Date): Promise<void> {
    return database.transaction((session) => registerHostIn(session, host, now));
  }

  /** All hosts, with the slots that count as use and those that are not free. */
  function listHosts(): Promise<{ readonly host: Host; readonly inUse: number; readonly occupied: number }[]> {
    return database.query(async (session) => {
      const rows = await session.rows<HostRow & { in_use: number | string | null; occupied: number | null }>(
        `SELECT ${engineHostColumns}, public_host, check_host, bind_address, capacity, base_port, hosts.state, in_use, occupied
           FROM hosts JOIN deployment
           LEFT JOIN (
                SELECT slots.host_id, SUM(instances.state IN ('starting', 'running')) AS in_use, COUNT(*) AS occupied
                  FROM slots JOIN instances ON instances.id = slots.instance_id
                 GROUP BY slots.host_id
           ) AS taken ON taken.host_id = hosts.id
          WHERE hosts.state <> 'gone'`,
      );
      return rows.map((row) => ({ host: toHost(row), inUse: Number(row.in_use ?? 0), occupied: row.occupied ?? 0 }));
    });
  }

  /**
   * Opens or closes a host to hand-outs; false when there is no such host, or when it is being
   * destroyed, or shall be. Waits for hand-outs that hold the host's row: when this returns, no later
   * hand-out takes a slot of a closed host.
   */
  function setHostState(name: string, state: HostState): Promise<boolean> {
    return database.transaction(async (session) => {
      const [row] = await session.rows<{ id: number }>(
        "SELECT id FROM hosts WHERE name = ? AND state <> 'gone' FOR UPDATE",
        [name],
      );
      if (!row) return false;
      const [going] = await session.rows(
        "SELECT name FROM droplets WHERE name = ? AND (state = 'destroying' OR name IN (SELECT name FROM doomed_hosts))",
        [name],
      );
      if (going) return false;
      await session.run("UPDATE hosts SET state = ? WHERE id = ?", [state, row.id]);
      return true;
    });
  }

  /** Id of this deployment: it marks what is ours on engines and in the cloud. */
  function readDeployment(): Promise<string> {
    return database.query(async (session) => {
      const [row] = await session.rows<{ id: string }>("SELECT id FROM deployment");
      if (!row) throw new Error("the database is not migrated");
      return row.id;
    });
  }

  return { registerHost, listHosts, setHostState, readDeployment };
}

/** {@link hostStatements}' `registerHost` as a part of a transaction. */
export async function registerHostIn(session: Session, host: NewHost, now: Date): Promise<void> {
  const place = [host.engineUrl, host.publicHost, host.checkHost, host.bindAddress, host.capacity, host.basePort];
  await session.run(
    `INSERT INTO hosts (engine_url, public_host, check_host, bind_address, capacity, base_port, name, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE engine_url = ?, public_host = ?, check_host = ?, bind_address = ?, capacity = ?, base_port = ?`,
    [...place, host.name, now, ...place],
  );
  const [row] = await session.rows<{ id: number }>("SELECT id FROM hosts WHERE name = ? FOR UPDATE", [host.name]);
  if (!row) throw new Error(`host ${host.name} vanished while it was registered`);
  await session.run("DELETE FROM slots WHERE host_id = ? AND slot >= ? AND instance_id IS NULL", [
    row.id,
    host.capacity,
  ]);
  await session.run("UPDATE slots SET port = ? + slot WHERE host_id = ? AND instance_id IS NULL", [
    host.basePort,
    row.id,
  ]);
  for (let slot = 0; slot < host.capacity; slot++) {
    await session.run("INSERT IGNORE INTO slots (host_id, slot, port, free_since) VALUES (?, ?, ?, ?)", [
      row.id,
      slot,
      host.basePort + slot,
      now,
    ]);
  }
}

function toHost(row: HostRow): Host {
  return {
    ...engineHost(row),
    publicHost: row.public_host,
    checkHost: row.check_host,
    bindAddress: row.bind_address,
    capacity: row.capacity,
    basePort: row.base_port,
    state: row.state,
  };
}
