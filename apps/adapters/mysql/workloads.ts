import type { ChangeResult, Workloads } from "../../core/ports/contract.ts";
import type { Workload, WorkloadState } from "../../core/ports/workload.ts";
import type { Database, Sql } from "./database.ts";
import { lockHost, touch } from "./ports.ts";

const LONGEST_FAULT = 500;

type WorkloadRow = {
  host: string;
  name: string;
  image: string;
  command: string | null;
  memory_mb: number;
  millicpus: number;
  copies: number;
  state: WorkloadState;
  generation: number;
  done_generation: number;
  done_at: Date | null;
  fault: string | null;
};

/** Rows of workloads. */
export function workloadStatements(database: Database): Workloads {
  function list(): Promise<readonly Workload[]> {
    return database.query((sql) => listIn(sql));
  }

  function change(
    { host: hostName, name }: { readonly host: string; readonly name: string },
    work: Parameters<Workloads["change"]>[1],
  ): Promise<ChangeResult<Workload>> {
    return database.transaction(async (sql): Promise<ChangeResult<Workload>> => {
      const host = await lockHost(sql, hostName);
      if (!host) return { kind: "no-host" };
      const [before] = await listIn(sql, { host: hostName, name });
      const after = work(before);
      if (!after) return { kind: "changed", now: before };
      if (!before && host.state === "draining") return { kind: "no-host" };
      const command = after.command === null ? null : JSON.stringify(after.command);
      const facts = [after.image, command, after.memoryMb, after.millicpus, after.copies, after.state];
      await sql.run(
        `INSERT INTO workloads (host_id, name, image, command, memory_mb, millicpus, copies, state, generation)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
         ON DUPLICATE KEY UPDATE
           image = ?, command = ?, memory_mb = ?, millicpus = ?, copies = ?, state = ?, generation = generation + 1`,
        [host.id, name, ...facts, ...facts],
      );
      await touch(sql, host.id);
      const [now] = await listIn(sql, { host: hostName, name });
      return { kind: "changed", now };
    });
  }

  function acknowledge(
    { host: hostName, name }: { readonly host: string; readonly name: string },
    { generation, at, fault }: { readonly generation: number; readonly at: Date; readonly fault: string | null },
  ): Promise<void> {
    return database.transaction(async (sql) => {
      const host = await lockHost(sql, hostName);
      if (!host) return;
      if (fault === null) {
        const forgotten = await sql.run(
          "DELETE FROM workloads WHERE host_id = ? AND name = ? AND generation = ? AND state = 'removed'",
          [host.id, name, generation],
        );
        if (forgotten > 0) return touch(sql, host.id);
      }
      // A change that came meanwhile is not carried out yet.
      await sql.run(
        `UPDATE workloads SET done_generation = ?, done_at = ?, fault = ?
          WHERE host_id = ? AND name = ? AND done_generation <= ? AND generation >= ?`,
        [generation, at, fault?.slice(0, LONGEST_FAULT) ?? null, host.id, name, generation, generation],
      );
    });
  }

  return { list, change, acknowledge };
}

async function listIn(sql: Sql, only?: { readonly host: string; readonly name: string }): Promise<Workload[]> {
  const rows = await sql.rows<WorkloadRow>(
    `SELECT hosts.name AS host, workloads.name, image, command, memory_mb, millicpus, copies, workloads.state, generation,
            done_generation, done_at, fault
       FROM workloads JOIN hosts ON hosts.id = host_id
       ${only ? "WHERE hosts.name = ? AND workloads.name = ?" : ""}
      ORDER BY hosts.name, workloads.name`,
    only ? [only.host, only.name] : [],
  );
  return rows.map((row) => ({
    host: row.host,
    name: row.name,
    image: row.image,
    command: row.command === null ? null : (JSON.parse(row.command) as string[]),
    memoryMb: row.memory_mb,
    millicpus: row.millicpus,
    copies: row.copies,
    state: row.state,
    generation: row.generation,
    done: row.done_at === null ? null : { generation: row.done_generation, at: row.done_at, fault: row.fault },
  }));
}
