import type { Database } from "./database.ts";

const BATCH = 1000;

/** Instances running, and hand-outs since the beginning. */
export type HandoutCounts = { readonly running: number; readonly startedEver: number };

/** What the product remembers of itself: counts, ended instances, runs of jobs. */
export function historyStatements(database: Database) {
  let counting: Promise<HandoutCounts> | undefined;

  /**
   * Instances running at `now`, and hand-outs since the beginning. It reads an index over all history,
   * and anybody may ask: callers that come while it is at work share its result.
   */
  function countHandouts(now: Date): Promise<HandoutCounts> {
    counting ??= countNow(now).finally(() => (counting = undefined));
    return counting;
  }

  function countNow(now: Date): Promise<HandoutCounts> {
    return database.query(async (session) => {
      const [row] = await session.rows<{ running: number; started: number | string }>(
        `SELECT (SELECT COUNT(*) FROM instances WHERE state = 'running' AND expires_at > ?) AS running,
                (SELECT pruned_handouts FROM deployment) + (SELECT COUNT(handed_out_at) FROM instances WHERE handed_out_at IS NOT NULL) AS started`,
        [now],
      );
      return { running: row?.running ?? 0, startedEver: Number(row?.started ?? 0) };
    });
  }

  /** Forgets instances that ended before `before`, and hosts, droplets, events, figures and addresses of that time. Returns the number of instances. */
  async function prune(before: Date): Promise<number> {
    let forgotten = 0;
    for (let batch = BATCH; batch === BATCH; forgotten += batch) {
      batch = await database.transaction(async (session) => {
        // Two pruners must not count the same row: the second skips what the first holds.
        const rows = await session.rows<{ id: string; handed: number }>(
          `SELECT id, handed_out_at IS NOT NULL AS handed FROM instances WHERE state = 'ended' AND ended_at < ? ORDER BY ended_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`,
          [before],
        );
        for (const { id } of rows) await session.run("DELETE FROM instances WHERE id = ?", [id]);
        const handed = rows.filter((row) => row.handed === 1).length;
        if (handed > 0) await session.run("UPDATE deployment SET pruned_handouts = pruned_handouts + ?", [handed]);
        return rows.length;
      });
    }
    await database.query(async (session) => {
      // A host stays as long as an instance names it.
      await session.run(
        "DELETE FROM hosts WHERE state = 'gone' AND name IN (SELECT name FROM droplets WHERE gone_at < ?) AND id NOT IN (SELECT host_id FROM instances)",
        [before],
      );
      await session.run(
        "DELETE FROM droplets WHERE state = 'gone' AND gone_at < ? AND name NOT IN (SELECT name FROM hosts)",
        [before],
      );
      await session.run(
        "DELETE FROM doomed_hosts WHERE asked_at < ? AND name NOT IN (SELECT name FROM droplets WHERE name IS NOT NULL)",
        [before],
      );
      await session.run("DELETE FROM events WHERE last_at < ?", [before]);
      await session.run("DELETE FROM minutes WHERE minute < ?", [before]);
    });
    await database.query((session) =>
      session.run("DELETE FROM addresses WHERE seen_at < ? AND address NOT IN (SELECT address FROM quota_places)", [
        before,
      ]),
    );
    return forgotten;
  }

  /** Notes that a job has begun. */
  async function beginRun(job: string, now: Date): Promise<void> {
    await database.query((session) =>
      session.run("INSERT INTO job_runs (job, started_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE started_at = ?", [
        job,
        now,
        now,
      ]),
    );
  }

  /** Notes how a job's run came out; `fault` is undefined when it succeeded. */
  async function finishRun(job: string, now: Date, fault: string | undefined): Promise<void> {
    await database.query((session) =>
      session.run(
        "UPDATE job_runs SET finished_at = ?, fault = ?, succeeded_at = IF(? IS NULL, ?, succeeded_at) WHERE job = ?",
        [now, fault?.slice(0, 500) ?? null, fault ?? null, now, job],
      ),
    );
  }

  /** The last run of each job. */
  function listRuns(): Promise<
    {
      readonly job: string;
      readonly startedAt: Date;
      readonly finishedAt: Date | null;
      readonly succeededAt: Date | null;
      readonly fault: string | null;
    }[]
  > {
    return database.query((session) =>
      session.rows(
        "SELECT job, started_at AS startedAt, finished_at AS finishedAt, succeeded_at AS succeededAt, fault FROM job_runs ORDER BY job",
      ),
    );
  }

  /** Whether the server answers. @throws Unavailable when it does not */
  async function ping(): Promise<void> {
    await database.query((session) => session.rows("SELECT 1"));
  }

  return { countHandouts, prune, beginRun, finishRun, listRuns, ping };
}
