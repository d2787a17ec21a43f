import type { JobRun, JobRuns } from "../../core/operator/contract.ts";
import type { Database } from "./database.ts";

/** The last run of each job. */
export function runStatements(database: Database): JobRuns {
  async function begin(job: string, now: Date): Promise<void> {
    await database.query((sql) =>
      sql.run("INSERT INTO job_runs (job, started_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE started_at = ?", [
        job,
        now,
        now,
      ]),
    );
  }

  async function finish(job: string, now: Date, fault: string | undefined): Promise<void> {
    await database.query((sql) =>
      sql.run(
        "UPDATE job_runs SET finished_at = ?, fault = ?, succeeded_at = IF(? IS NULL, ?, succeeded_at) WHERE job = ?",
        [now, fault?.slice(0, 500) ?? null, fault ?? null, now, job],
      ),
    );
  }

  function list(): Promise<JobRun[]> {
    return database.query((sql) =>
      sql.rows(
        `SELECT job, started_at AS startedAt, finished_at AS finishedAt, succeeded_at AS succeededAt, fault
         FROM job_runs
         ORDER BY job`,
      ),
    );
  }

  return { begin, finish, list };
}
