import type { Hosts } from "../../core/fleet/contract.ts";
import type { EngineHost, Host, HostState, HostUse, NewHost } from "../../core/fleet/host.ts";
import type { Database, Sql } from "./database.ts";

/** Columns of a host's engine, of tables hosts and deployment. */
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
export function hostStatements(database: Database): Hosts {
  function register(host: NewHost, now: Date): Promise<void> {
    return database.transaction((sql) => registerHostIn(sql, host, now));
  }

  function list(): Promise<HostUse[]> {
    return database.query(async (sql) => {
      const rows = await sql.rows<
        HostRow & {
          in_use: number | string | null;
          occupied: number | null;
          last_expiry: Date | null;
          unreached_since: Date | null;
        }
      >(
        `SELECT ${engineHostColumns}, public_host, check_host, bind_address, capacity, base_port, hosts.state,
                in_use, occupied, last_expiry, droplets.unreached_since
           FROM hosts JOIN deployment
           LEFT JOIN droplets ON droplets.name = hosts.name
           LEFT JOIN (
                SELECT slots.host_id, SUM(instances.state IN ('starting', 'running')) AS in_use, COUNT(*) AS occupied,
                       MAX(CASE WHEN instances.state = 'running' THEN instances.expires_at END) AS last_expiry
                  FROM slots JOIN instances ON instances.id = slots.instance_id
                 GROUP BY slots.host_id
           ) AS taken ON taken.host_id = hosts.id
          WHERE hosts.state <> 'gone'`,
      );
      return rows.map((row) => ({
        host: toHost(row),
        inUse: Number(row.in_use ?? 0),
        occupied: row.occupied ?? 0,
        lastExpiry: row.last_expiry,
        unreachableSince: row.unreached_since,
      }));
    });
  }

  function setState(name: string, state: HostState): Promise<boolean> {
    return database.transaction(async (sql) => {
      const [row] = await sql.rows<{ id: number }>(
        "SELECT id FROM hosts WHERE name = ? AND state <> 'gone' FOR UPDATE",
        [name],
      );
      if (!row) return false;
      const [going] = await sql.rows(
        `SELECT name
         FROM droplets
         WHERE name = ? AND (state = 'destroying' OR name IN (SELECT name FROM doomed_hosts))`,
        [name],
      );
      if (going) return false;
      await sql.run("UPDATE hosts SET state = ? WHERE id = ?", [state, row.id]);
      return true;
    });
  }

  function listFirstSeen(): Promise<Map<string, Date>> {
    return database.query(async (sql) => {
      const rows = await sql.rows<{ name: string; created_at: Date }>(
        "SELECT name, created_at FROM hosts WHERE state <> 'gone'",
      );
      return new Map(rows.map(({ name, created_at: birth }) => [name, birth]));
    });
  }

  function readDeployment(): Promise<string> {
    return database.query(async (sql) => {
      const [row] = await sql.rows<{ id: string }>("SELECT id FROM deployment");
      if (!row) throw new Error("the database is not migrated");
      return row.id;
    });
  }

  return { register, list, setState, listFirstSeen, readDeployment };
}

/** {@link hostStatements}' `registerHost` as a part of a transaction. */
export async function registerHostIn(sql: Sql, host: NewHost, now: Date): Promise<void> {
  const place = [host.engineUrl, host.publicHost, host.checkHost, host.bindAddress, host.capacity, host.basePort];
  await sql.run(
    `INSERT INTO hosts (engine_url, public_host, check_host, bind_address, capacity, base_port, name, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE
       engine_url = ?, public_host = ?, check_host = ?, bind_address = ?, capacity = ?, base_port = ?`,
    [...place, host.name, now, ...place],
  );
  const [row] = await sql.rows<{ id: number }>("SELECT id FROM hosts WHERE name = ? FOR UPDATE", [host.name]);
  if (!row) throw new Error(`host ${host.name} vanished while it was registered`);
  await sql.run("DELETE FROM slots WHERE host_id = ? AND slot >= ? AND instance_id IS NULL", [row.id, host.capacity]);
  await sql.run("UPDATE slots SET port = ? + slot WHERE host_id = ? AND instance_id IS NULL", [host.basePort, row.id]);
  for (let slot = 0; slot < host.capacity; slot++) {
    await sql.run("INSERT IGNORE INTO slots (host_id, slot, port, free_since) VALUES (?, ?, ?, ?)", [
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
