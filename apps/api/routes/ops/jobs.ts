import { sendAccepted } from "../accepted.ts";
import { Type } from "typebox";
import type { JobRuns } from "../../../core/operator/contract.ts";
import { runJob, type RunJobPorts } from "../../../core/operator/operate.ts";
import { jobNames } from "../../../core/events/names.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, moment } from "./schemas.ts";

/** What the calls on jobs need. */
export type OpsJobParts = RunJobPorts & { readonly store: { readonly runs: Pick<JobRuns, "list"> } };

const OpsJob = Type.Object(
  {
    job: Type.Enum([...jobNames], { description: "Name of the job." }),
    startedAt: Type.String({ format: "date-time", description: "When it ran last." }),
    finishedAt: moment("When that run finished. null: it still runs."),
    succeededAt: moment("When it succeeded last. null: never."),
    fault: Type.Union([Type.String(), Type.Null()], { description: "What went wrong in its last run. null: nothing." }),
  },
  { title: "JobRun", description: "The last run of a job." },
);
const schemas = {
  list: {
    ...forViewer,
    operationId: "listJobs",
    summary: "List jobs",
    description: "Lists the last run of each job.",
    response: { 200: Type.Array(OpsJob) },
  },
  run: {
    ...forOperator,
    operationId: "runJob",
    summary: "Run a job now",
    description: "Has a job run besides its times. GET /ops/api/jobs tells how it went.",
    params: Type.Object({
      job: Type.String({ maxLength: 32, description: "Name of the job.", examples: ["reap"] }),
    }),
    response: { 202: Type.Null({ description: "The job has been told to run." }) },
    refusals: ["no-jobs-process"] satisfies ProblemName[],
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
      return sendAccepted(reply);
    });
  };
}
