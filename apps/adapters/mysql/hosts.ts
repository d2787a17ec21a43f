import type { ChangedHosts, Hosts, HostsMark } from "../../core/fleet/contract.ts";
import type { EngineHost, Host, HostState, HostUse, NewHost } from "../../core/fleet/host.ts";
import type { Database, Sql } from "./database.ts";
import { filled, NAMED_AT_ONCE, parts, PLACES } from "./lists.ts";

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
  state: HostState | "gone";
};

type UseRow = HostRow & {
  in_use: number | string | null;
  occupied: number | null;
  warm: number | string | null;
  last_expiry: Date | null;
  unreached_since: Date | null;
  for_operators: number;
};

/**
 * A change bears the time of its statement, and is seen once its transaction is committed: this much later at most,
 * but for a few.
 */
export const COMMIT_SECONDS = 3;
/** In one statement, so that a large fleet neither fills the memory at once nor keeps the process busy for long. */
const HOSTS_AT_ONCE = 500;

/** What a host does for operators, as a number. */
export const countForOperators = (id: string) => `(
  (SELECT COUNT(*) FROM host_ports WHERE host_ports.host_id = ${id}) +
  (SELECT COUNT(*) FROM workloads WHERE workloads.host_id = ${id}))`;

/** Instances that hold a slot, counted by host out of the index on state and host alone. */
const useOf = (which: string) => `
  SELECT ${engineHostColumns}, public_host, check_host, bind_address, capacity, base_port, hosts.state,
         in_use, occupied, warm, last_expiry, droplets.unreached_since,
         ${countForOperators("hosts.id")} AS for_operators
    FROM hosts JOIN deployment
    LEFT JOIN droplets ON droplets.name = hosts.name
    LEFT JOIN (
         SELECT host_id, SUM(state IN ('starting', 'running')) AS in_use, COUNT(*) AS occupied,
                SUM(state IN ('warming', 'warm')) AS warm,
                MAX(CASE WHEN state = 'running' THEN expires_at END) AS last_expiry
           FROM instances
          WHERE state IN ('starting', 'running', 'ending', 'warming', 'warm') AND host_id ${which}
          GROUP BY host_id
    ) AS taken ON taken.host_id = hosts.id
   WHERE hosts.id ${which}`;
const USE_BETWEEN = `${useOf("BETWEEN ? AND ?")} AND hosts.state <> 'gone'`;
const USE_OF_THESE = useOf(`IN (${PLACES})`);

/** Rows of hosts and their slots. */
export function hostStatements(database: Database): Hosts {
  function register(host: NewHost, now: Date): Promise<void> {
    return database.transaction((sql) => registerHostIn(sql, host, now));
  }

  function list(): Promise<HostUse[]> {
    return database.query(async (sql) => (await readAll(sql)).map(toUse));
  }

  function listChanged(mark: HostsMark | undefined, named: readonly string[]): Promise<ChangedHosts> {
    return database.query(async (sql) => {
      // Before the rows: what changes meanwhile is read again with the next call.
      const [time] = await sql.rows<{ now: string }>("SELECT UNIX_TIMESTAMP(CURRENT_TIMESTAMP(3)) AS now");
      const at = Number(time?.now) - COMMIT_SECONDS;
      const rows = mark === undefined ? await readAll(sql) : await readThese(sql, await findChanged(sql, mark, named));
      return {
        hosts: rows.filter(({ state }) => state !== "gone").map(toUse),
        gone: rows.filter(({ state }) => state === "gone").map(({ name }) => name),
        mark: { at },
      };
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

  return { register, list, listChanged, setState, listFirstSeen, readDeployment };
}

async function readAll(sql: Sql): Promise<UseRow[]> {
  const ids = (await sql.rows<{ id: number }>("SELECT id FROM hosts WHERE state <> 'gone' ORDER BY id")).map(
    ({ id }) => id,
  );
  const rows: UseRow[] = [];
  for (const part of parts(ids, HOSTS_AT_ONCE)) {
    const range = [part[0] ?? 0, part.at(-1) ?? 0];
    rows.push(...(await sql.rows<UseRow>(USE_BETWEEN, [...range, ...range])));
  }
  return rows;
}

async function readThese(sql: Sql, ids: readonly number[]): Promise<UseRow[]> {
  const rows: UseRow[] = [];
  for (const part of parts(ids, NAMED_AT_ONCE)) {
    const some = filled(part);
    rows.push(...(await sql.rows<UseRow>(USE_OF_THESE, [...some, ...some])));
  }
  return rows;
}

/** Ids of the hosts that may have changed since a mark, by themselves, their instances or their droplets. */
async function findChanged(sql: Sql, { at }: HostsMark, named: readonly string[]): Promise<number[]> {
  const changed = await sql.rows<{ id: number }>(
    `SELECT id FROM hosts WHERE touched_at >= FROM_UNIXTIME(?)
     UNION SELECT host_id FROM instances WHERE touched_at >= FROM_UNIXTIME(?)
     UNION SELECT hosts.id FROM droplets JOIN hosts ON hosts.name = droplets.name
            WHERE droplets.touched_at >= FROM_UNIXTIME(?)`,
    [at, at, at],
  );
  const ids = new Set(changed.map(({ id }) => id));
  for (const part of parts(named, NAMED_AT_ONCE))
    for (const { id } of await sql.rows<{ id: number }>(`SELECT id FROM hosts WHERE name IN (${PLACES})`, filled(part)))
      ids.add(id);
  return [...ids];
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
  // All at once: a host may have hundreds.
  const slots = Array.from({ length: host.capacity }, (_, slot) => [row.id, slot, host.basePort + slot, now]);
  await sql.run(
    `INSERT IGNORE INTO slots (host_id, slot, port, free_since) VALUES ${slots.map(() => "(?, ?, ?, ?)").join(", ")}`,
    slots.flat(),
  );
}

function toUse(row: UseRow): HostUse {
  return {
    host: toHost(row),
    inUse: Number(row.in_use ?? 0),
    occupied: row.occupied ?? 0,
    warm: Number(row.warm ?? 0),
    lastExpiry: row.last_expiry,
    unreachableSince: row.unreached_since,
    ...(row.for_operators > 0 && { forOperators: row.for_operators }),
  };
}

function toHost(row: HostRow): Host {
  return {
    ...engineHost(row),
    publicHost: row.public_host,
    checkHost: row.check_host,
    bindAddress: row.bind_address,
    capacity: row.capacity,
    basePort: row.base_port,
    // One that is gone is not listed.
    state: row.state === "gone" ? "draining" : row.state,
  };
}
