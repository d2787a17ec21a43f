import { Type, type Static } from "typebox";
import type { Workloads } from "../../../core/ports/contract.ts";
import {
  changeDeclaredWorkload,
  declareWorkload,
  type OperateWorkloadsPorts,
} from "../../../core/operator/operate-ports.ts";
import { workloadBounds, workloadStanding, type Workload } from "../../../core/ports/workload.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import { sendAccepted } from "../accepted.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, HostName, moment } from "./schemas.ts";

/** What the calls on workloads need. */
export type OpsWorkloadParts = OperateWorkloadsPorts & {
  readonly store: { readonly workloads: Pick<Workloads, "list"> };
};

const MOST_CPUS = workloadBounds.millicpus.most / 1000;
const LEAST_CPUS = workloadBounds.millicpus.least / 1000;
const bounded = ({ least, most }: { readonly least: number; readonly most: number }) => ({
  minimum: least,
  maximum: most,
});
const copies = {
  ...bounded(workloadBounds.copies),
  description: "How many containers.",
  examples: [2],
};
const given = {
  image: Type.String({
    maxLength: 255,
    description: "Image of the containers. The host's engine gets it from its registry when it has not got it.",
    examples: ["registry.example.org/web:1"],
  }),
  command: Type.Union([Type.Array(Type.String({ maxLength: 4096 }), { minItems: 1, maxItems: 64 }), Type.Null()], {
    description: "Words of the command. null: what the image says.",
    examples: [["/run.sh"]],
  }),
  memoryMb: Type.Integer({
    ...bounded(workloadBounds.memoryMb),
    description: "Memory of each container, in MB.",
    examples: [256],
  }),
  cpus: Type.Number({
    minimum: LEAST_CPUS,
    maximum: MOST_CPUS,
    description: "Cores of each container, to the thousandth.",
    examples: [0.5],
  }),
  copies: Type.Integer(copies),
};
const Wanted = Type.Enum(["running", "paused", "stopped"], { description: "What the containers are to be." });
const OpsWorkload = Type.Object(
  {
    host: Type.String({ description: "Name of the host." }),
    name: Type.String({ description: "Name of the workload." }),
    ...given,
    state: Type.Enum(["running", "paused", "stopped", "removed"], {
      description: "What the containers are to be. removed: they go, and the workload after them.",
    }),
    isDone: Type.Boolean({ description: "Whether the last change was carried out." }),
    doneAt: moment("When something was carried out, or tried, last. null: never."),
    fault: Type.Union([Type.String(), Type.Null()], {
      description:
        "Why the last change could not be carried out; it is tried again. null: it could, or was not tried yet.",
    }),
  },
  { title: "Workload", description: "Containers of an image that are run on a host for operators." },
);
/** A workload as the operator reads it. */
export type OpsWorkload = Static<typeof OpsWorkload>;
const NewWorkload = Type.Object(
  {
    image: given.image,
    command: Type.Optional(given.command),
    memoryMb: given.memoryMb,
    cpus: given.cpus,
    copies: Type.Optional(Type.Integer({ ...copies, description: "How many containers. 1 if you send none." })),
    state: Type.Optional(Wanted),
  },
  { additionalProperties: false, title: "WorkloadToRun", description: "Containers to run." },
);
const WorkloadChange = Type.Object(
  { state: Type.Optional(Wanted), copies: Type.Optional(given.copies) },
  { additionalProperties: false, minProperties: 1, title: "WorkloadChange", description: "A change of a workload." },
);
const WorkloadPlace = Type.Object({
  ...HostName.properties,
  workload: Type.String({
    maxLength: 32,
    pattern: "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$",
    description: "Name of the workload: small letters, digits and dashes.",
    examples: ["web"],
  }),
});

const schemas = {
  list: {
    ...forViewer,
    operationId: "listWorkloads",
    summary: "List workloads",
    description: "Lists the containers that are run on hosts for operators.",
    response: { 200: Type.Array(OpsWorkload) },
  },
  run: {
    ...forOperator,
    operationId: "runWorkload",
    summary: "Run containers of an image",
    description:
      "The host gets the image and runs as many containers of it. It is no standby any more, and does not go by itself. " +
      "A repeated call replaces what was declared; containers that differ are made anew. What is carried out is told by " +
      "the list.",
    params: WorkloadPlace,
    body: NewWorkload,
    response: { 200: OpsWorkload },
    refusals: ["not-found", "not-possible-here"] satisfies ProblemName[],
  },
  change: {
    ...forOperator,
    operationId: "changeWorkload",
    summary: "Pause, stop, start or multiply containers",
    description: "Changes what is sent, and nothing else. Containers that are paused get no new connections.",
    params: WorkloadPlace,
    body: WorkloadChange,
    response: { 200: OpsWorkload },
    refusals: ["not-found"] satisfies ProblemName[],
  },
  remove: {
    ...forOperator,
    operationId: "removeWorkload",
    summary: "Remove containers",
    description: "The containers are ended and removed, and then the workload is forgotten.",
    params: WorkloadPlace,
    response: { 202: Type.Null({ description: "The containers will be removed." }) },
    refusals: ["not-found"] satisfies ProblemName[],
  },
};

/** Containers of images that are run on hosts for operators. */
export function opsWorkloadRoutes(parts: OpsWorkloadParts) {
  return (app: App) => {
    app.get("/ops/api/workloads", { schema: schemas.list }, async () =>
      (await parts.store.workloads.list()).map(shown),
    );

    app.put("/ops/api/hosts/:name/workloads/:workload", { schema: schemas.run }, async (request) => {
      const { name: host, workload: name } = request.params;
      const { image, command = null, memoryMb, cpus, copies: number = 1, state = "running" } = request.body;
      const by = callerOf(request).name;
      const millicpus = Math.round(cpus * 1000);
      const spec = { host, name, image, command, memoryMb, millicpus, copies: number, state };
      const result = await declareWorkload(parts, by, spec);
      if (result.kind === "refused") throw new ProblemError(problems.notPossibleHere(result.reason));
      if (result.kind === "no-host" || !result.now) throw new ProblemError(problems.noHost());
      request.log.info({ by, host, workload: name, image }, "operator runs a workload");
      return shown(result.now);
    });

    app.patch("/ops/api/hosts/:name/workloads/:workload", { schema: schemas.change }, async (request) => {
      const { name: host, workload: name } = request.params;
      const by = callerOf(request).name;
      const result = await changeDeclaredWorkload(parts, by, { host, name }, request.body);
      if (result.kind === "no-host") throw new ProblemError(problems.noHost());
      // What the schema lets through fits any workload.
      if (result.kind === "refused") throw new Error(result.reason);
      if (!result.now) throw new ProblemError(problems.noWorkload());
      request.log.info({ by, host, workload: name, ...request.body }, "operator changed a workload");
      return shown(result.now);
    });

    app.delete("/ops/api/hosts/:name/workloads/:workload", { schema: schemas.remove }, async (request, reply) => {
      const { name: host, workload: name } = request.params;
      const by = callerOf(request).name;
      const result = await changeDeclaredWorkload(parts, by, { host, name }, { state: "removed" });
      if (result.kind !== "changed" || !result.now) throw new ProblemError(problems.noWorkload());
      request.log.info({ by, host, workload: name }, "operator removes a workload");
      return sendAccepted(reply);
    });
  };
}

function shown(declared: Workload): OpsWorkload {
  const { host, name, image, command, memoryMb, millicpus, copies: number, state, done } = declared;
  return {
    host,
    name,
    image,
    command: command === null ? null : [...command],
    memoryMb,
    cpus: millicpus / 1000,
    copies: number,
    state,
    ...workloadStanding(declared),
    doneAt: done?.at.toISOString() ?? null,
  };
}
