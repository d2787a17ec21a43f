import { Type } from "typebox";
import type { JobRuns } from "../../../core/operator/contract.ts";
import { runJob, type RunJobPorts } from "../../../core/operator/operate.ts";
import { jobNames } from "../../../core/events/names.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import { refusalsAndFaults } from "../schemas.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, Moment } from "./schemas.ts";

/** What the calls on jobs need. */
export type OpsJobParts = RunJobPorts & { readonly store: { readonly runs: Pick<JobRuns, "list"> } };

const OpsJob = Type.Object({
  job: Type.Enum([...jobNames]),
  startedAt: Moment,
  finishedAt: Moment,
  succeededAt: Moment,
  fault: Type.Union([Type.String(), Type.Null()]),
});
const schemas = {
  list: {
    ...forViewer,
    summary: "The last run of each job",
    response: { 200: Type.Array(OpsJob), ...refusalsAndFaults },
  },
  run: {
    ...forOperator,
    summary: "Run a job now",
    description: "How it comes out is told by GET /ops/api/jobs.",
    params: Type.Object({ job: Type.String({ maxLength: 32 }) }),
    response: { 202: Type.Null(), ...refusalsAndFaults },
  },
};

/** Jobs: their last runs, and running one now. */
export function opsJobRoutes(parts: OpsJobParts) {
  const { runs } = parts.store;

  return (app: App) => {
    app.get("/ops/api/jobs", { schema: schemas.list }, async () =>
      (await runs.list()).map(({ job, startedAt, finishedAt, succeededAt, fault }) => ({
        job,
        startedAt: startedAt.toISOString(),
        finishedAt: finishedAt?.toISOString() ?? null,
        succeededAt: succeededAt?.toISOString() ?? null,
        fault,
      })),
    );

    app.post("/ops/api/jobs/:job/run", { schema: schemas.run }, async (request, reply) => {
      const job = jobNames.find((name) => name === request.params.job);
      // A job that has never run is unknown here: without a fleet, no job scales.
      if (job === undefined || !(await runs.list()).some((run) => run.job === job))
        throw new ProblemError(problems.noJob());
      const by = callerOf(request).name;
      if (!(await runJob(parts, by, job))) throw new ProblemError(problems.nobodyListens());
      request.log.info({ by, job }, "operator has a job run");
      return reply.code(202).send(null);
    });
  };
}
