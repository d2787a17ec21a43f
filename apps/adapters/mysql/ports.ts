import type { ChangeResult, HostPorts } from "../../core/ports/contract.ts";
import { nameOf, type ChildPort, type HostPort, type PortState } from "../../core/ports/port.ts";
import type { Database, Sql } from "./database.ts";

type PortRow = { host: string; port: number; image: string | null; image_port: number; state: PortState };
type ChildRow = { host: string; port: number; child_host: string; child_port: number };
type HostRow = { id: number; name: string; base_port: number; capacity: number; state: string };

/** Rows of balanced ports. */
export function portStatements(database: Database): HostPorts {
  function list(): Promise<readonly HostPort[]> {
    return database.query(listIn);
  }

  function change(
    place: ChildPort,
    work: Parameters<HostPorts["change"]>[1],
    whyNot: Parameters<HostPorts["change"]>[2],
    now: Date,
  ): Promise<ChangeResult<HostPort>> {
    return database.transaction(async (sql): Promise<ChangeResult<HostPort>> => {
      // One change at a time, of all hosts: children must not lead back, whoever adds them.
      await sql.rows("SELECT id FROM deployment FOR UPDATE");
      const host = await lockHost(sql, place.host);
      if (!host) return { kind: "no-host" };
      const all = await listIn(sql);
      const before = all.find((each) => nameOf(each) === nameOf(place));
      const after = work(before);
      if (!after) {
        await sql.run("DELETE FROM host_ports WHERE host_id = ? AND port = ?", [host.id, place.port]);
        if (before) await touch(sql, host.id);
        return { kind: "changed", now: undefined };
      }
      if (!before && host.state === "draining") return { kind: "no-host" };
      const reason = whyNot(after, { basePort: host.base_port, capacity: host.capacity }, all);
      if (reason !== undefined) return { kind: "refused", reason };
      await write(sql, host.id, after, now);
      return { kind: "changed", now: after };
    });
  }

  return { list, change };
}

/**
 * Locks a host's row, as those do who drain or destroy it: it must not become empty, and go, between a check and what
 * is declared then.
 */
export async function lockHost(sql: Sql, name: string): Promise<HostRow | undefined> {
  const [row] = await sql.rows<HostRow>(
    `SELECT id, name, base_port, capacity, state FROM hosts WHERE name = ? AND state <> 'gone' FOR UPDATE`,
    [name],
  );
  return row;
}

/** Lets all processes see that a host is used in another way. */
export async function touch(sql: Sql, hostId: number): Promise<void> {
  await sql.run("UPDATE hosts SET touched_at = CURRENT_TIMESTAMP(3) WHERE id = ?", [hostId]);
}

async function write(sql: Sql, hostId: number, port: HostPort, now: Date): Promise<void> {
  const facts = [port.image, port.imagePort, port.state];
  await sql.run(
    `INSERT INTO host_ports (host_id, port, image, image_port, state, declared_at) VALUES (?, ?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE image = ?, image_port = ?, state = ?`,
    [hostId, port.port, ...facts, now, ...facts],
  );
  await sql.run("DELETE FROM host_port_children WHERE host_id = ? AND port = ?", [hostId, port.port]);
  for (const child of port.children)
    await sql.run(
      `INSERT INTO host_port_children (host_id, port, child_host_id, child_port)
       SELECT ?, ?, id, ? FROM hosts WHERE name = ?`,
      [hostId, port.port, child.port, child.host],
    );
  await touch(sql, hostId);
}

async function listIn(sql: Sql): Promise<HostPort[]> {
  const rows = await sql.rows<PortRow>(
    `SELECT name AS host, port, image, image_port, host_ports.state FROM host_ports JOIN hosts ON hosts.id = host_id
      ORDER BY name, port`,
  );
  if (rows.length === 0) return [];
  const children = Map.groupBy(
    await sql.rows<ChildRow>(
      `SELECT parents.name AS host, port, children.name AS child_host, child_port FROM host_port_children
         JOIN hosts AS parents ON parents.id = host_id JOIN hosts AS children ON children.id = child_host_id
        ORDER BY child_host, child_port`,
    ),
    nameOf,
  );
  return rows.map(({ host, port, image, image_port: imagePort, state }) => ({
    ...{ host, port, image, imagePort, state },
    children: (children.get(nameOf({ host, port })) ?? []).map((child) => ({
      host: child.child_host,
      port: child.child_port,
    })),
  }));
}
