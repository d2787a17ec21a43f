import type { DoomResult } from "../../core/operator/operator.ts";
import type { Database } from "./database.ts";
import { countLeases, lockDroplet } from "./droplets.ts";

/** Hosts that the operator wants destroyed. */
export function doomedStatements(database: Database) {
  /**
   * Notes that a host shall go, and closes it to hand-outs at once; its end is the leader's to carry out.
   * @param leases "none" is refused while the host has any
   */
  function doomHost(name: string, leases: "none" | "lost", now: Date): Promise<DoomResult> {
    return database.transaction(async (session): Promise<DoomResult> => {
      await lockDroplet(session, name);
      const [droplet] = await session.rows<{ state: string }>(
        "SELECT state FROM droplets WHERE name = ? AND state <> 'gone'",
        [name],
      );
      // Hand-outs share this lock: none can take a slot between the count and the change.
      const [host] = await session.rows<{ id: number }>(
        "SELECT id FROM hosts WHERE name = ? AND state <> 'gone' FOR UPDATE",
        [name],
      );
      if (!droplet) return { kind: host ? "not-ours" : "unknown" };
      if (droplet.state === "ordered") return { kind: "still-ordered" };
      const held = host ? await countLeases(session, host.id) : 0;
      if (held > 0 && leases === "none") return { kind: "leased", leases: held };
      if (host) await session.run("UPDATE hosts SET state = 'draining' WHERE id = ?", [host.id]);
      await session.run(
        "INSERT INTO doomed_hosts (name, leases, asked_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE leases = ?",
        [name, leases, now, leases],
      );
      return { kind: "doomed" };
    });
  }

  /** Hosts that shall go and have not begun to, by name: without leases, or with them lost. */
  function listDoomed(): Promise<Map<string, "none" | "lost">> {
    return database.query(async (session) => {
      const rows = await session.rows<{ name: string; leases: "none" | "lost" }>(
        "SELECT doomed_hosts.name, leases FROM doomed_hosts JOIN droplets ON droplets.name = doomed_hosts.name WHERE state IN ('booting', 'joined')",
      );
      return new Map(rows.map(({ name, leases }) => [name, leases]));
    });
  }

  return { doomHost, listDoomed };
}
