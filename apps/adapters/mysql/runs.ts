import type { JobRun, JobRuns } from "../../core/operator/contract.ts";
import { jobNames, type JobName } from "../../core/events/names.ts";
import type { Database } from "./database.ts";

/** The last run of each job. */
export function runStatements(database: Database): JobRuns {
  async function begin(job: JobName, now: Date): Promise<void> {
    await database.query((sql) =>
      sql.run("INSERT INTO job_runs (job, started_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE started_at = ?", [
        job,
        now,
        now,
      ]),
    );
  }

  async function finish(job: JobName, now: Date, fault: string | undefined): Promise<void> {
    await database.query((sql) =>
      sql.run(
        "UPDATE job_runs SET finished_at = ?, fault = ?, succeeded_at = IF(? IS NULL, ?, succeeded_at) WHERE job = ?",
        [now, fault?.slice(0, 500) ?? null, fault ?? null, now, job],
      ),
    );
  }

  function list(): Promise<JobRun[]> {
    // Older replicas may have jobs of other names: here they would look like jobs that never run.
    return database.query((sql) =>
      sql.rows(
        `SELECT job, started_at AS startedAt, finished_at AS finishedAt, succeeded_at AS succeededAt, fault
         FROM job_runs
         WHERE job IN (${jobNames.map(() => "?").join(", ")})
         ORDER BY job`,
        [...jobNames],
      ),
    );
  }

  return { begin, finish, list };
}
