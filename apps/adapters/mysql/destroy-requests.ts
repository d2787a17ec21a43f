import type { DestroyRequests } from "../../core/operator/contract.ts";
import type { DestroyRequestResult } from "../../core/operator/operator.ts";
import type { Database } from "./database.ts";
import { countLeases, isForOperators, lockDroplet } from "./droplets.ts";

/** Rows of destroy requests. */
export function destroyRequestStatements(database: Database): DestroyRequests {
  function add(name: string, leases: "none" | "lost", now: Date): Promise<DestroyRequestResult> {
    return database.transaction(async (sql): Promise<DestroyRequestResult> => {
      await lockDroplet(sql, name);
      const [droplet] = await sql.rows<{ state: string }>(
        "SELECT state FROM droplets WHERE name = ? AND state <> 'gone'",
        [name],
      );
      // Hand-outs share this lock: none can take a slot between the count and the change.
      const [host] = await sql.rows<{ id: number }>(
        "SELECT id FROM hosts WHERE name = ? AND state <> 'gone' FOR UPDATE",
        [name],
      );
      if (!droplet) return { kind: host ? "not-ours" : "unknown" };
      if (droplet.state === "ordered") return { kind: "still-ordered" };
      const held = host ? await countLeases(sql, host.id) : 0;
      if (held > 0 && leases === "none") return { kind: "leased", leases: held };
      if (host && leases === "none" && (await isForOperators(sql, host.id))) return { kind: "for-operators" };
      if (host) await sql.run("UPDATE hosts SET state = 'draining' WHERE id = ?", [host.id]);
      await sql.run(
        "INSERT INTO doomed_hosts (name, leases, asked_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE leases = ?",
        [name, leases, now, leases],
      );
      return { kind: "requested" };
    });
  }

  function list(): Promise<Map<string, "none" | "lost">> {
    return database.query(async (sql) => {
      const rows = await sql.rows<{ name: string; leases: "none" | "lost" }>(
        `SELECT doomed_hosts.name, leases
         FROM doomed_hosts
         JOIN droplets ON droplets.name = doomed_hosts.name
         WHERE state IN ('booting', 'joined')`,
      );
      return new Map(rows.map(({ name, leases }) => [name, leases]));
    });
  }

  return { add, list };
}
