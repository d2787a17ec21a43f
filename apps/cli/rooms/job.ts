import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import type { Column } from "../output/table.ts";
import { fromNow } from "../output/words.ts";

/** `job`: what the service does by itself at its times. */
export function addJobRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const job = program
    .command("job")
    .alias("jobs")
    .description("See how the jobs went that the service runs at their times, and run one now.");

  job
    .command("list")
    .description("List the last run of each job.")
    .action(async () => {
      const runs = await answered((await operator()).GET("/ops/api/jobs"));
      show.rows(runs, columns(world.clock()), "No job has run yet.");
    });

  job
    .command("run")
    .description("Have a job run now; getaredis job list tells how it went.")
    .argument("<name>", "name of the job, as in getaredis job list")
    .action(async (name) => {
      const api = await operator();
      await answered(api.POST("/ops/api/jobs/{job}/run", { params: { path: { job: name } } }));
      show.done({ job: name, requested: true }, `${name} has been told to run.`);
    });
}

function columns(now: Date): readonly Column<Schemas["JobRun"]>[] {
  return [
    { title: "JOB", of: ({ job }) => job },
    { title: "STARTED", of: ({ startedAt }) => fromNow(startedAt, now) },
    { title: "FINISHED", of: ({ finishedAt }) => (finishedAt === null ? "still runs" : fromNow(finishedAt, now)) },
    { title: "SUCCEEDED", of: ({ succeededAt }) => (succeededAt === null ? "never" : fromNow(succeededAt, now)) },
    {
      title: "FAULT",
      of: ({ fault }) => fault ?? "-",
      isCut: true,
      tone: ({ fault }) => (fault === null ? "none" : "bad"),
    },
  ];
}
