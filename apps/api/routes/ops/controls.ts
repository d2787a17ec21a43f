import { isIP } from "node:net";
import { Type } from "typebox";
import { blockAddress, runJob, setSwitch, unblockAddress } from "../../../core/operator/operate.ts";
import { jobNames } from "../../../core/operator/operator.ts";
import { addressKey } from "../../../core/instances/quota.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import type { App } from "../../server.ts";
import { forOperator, Moment, refusals } from "./schemas.ts";
import type { OpsParts } from "./index.ts";

const OpsJob = Type.Object({
  job: Type.Enum([...jobNames]),
  startedAt: Moment,
  finishedAt: Moment,
  succeededAt: Moment,
  fault: Type.Union([Type.String(), Type.Null()]),
});
const OpsSwitch = Type.Object({ name: Type.String(), paused: Type.Boolean(), changedAt: Moment });
const OpsBlock = Type.Object({ address: Type.String(), reason: Type.String(), blockedAt: Moment });
const BlockedAddress = Type.Object({ address: Type.String({ maxLength: 50 }) });

/** Jobs, switches and blocked addresses. */
export function opsControlRoutes({ store, operate }: OpsParts) {
  return (app: App) => {
    app.get(
      "/ops/api/jobs",
      {
        schema: {
          ...forOperator,
          summary: "The last run of each job",
          response: { 200: Type.Array(OpsJob), ...refusals },
        },
      },
      async () =>
        (await store.runs.list()).map((run) => ({
          job: run.job,
          startedAt: run.startedAt.toISOString(),
          finishedAt: run.finishedAt?.toISOString() ?? null,
          succeededAt: run.succeededAt?.toISOString() ?? null,
          fault: run.fault,
        })),
    );

    app.post(
      "/ops/api/jobs/:job/run",
      {
        schema: {
          ...forOperator,
          summary: "Run a job now",
          description: "How it comes out is told by GET /ops/api/jobs.",
          params: Type.Object({ job: Type.String({ maxLength: 32 }) }),
          response: { 202: Type.Null(), ...refusals },
        },
      },
      async (request, reply) => {
        const job = jobNames.find((name) => name === request.params.job);
        // Here is no job that has never run: without a fleet, there is none that scales.
        if (job === undefined || !(await store.runs.list()).some((run) => run.job === job))
          throw new ProblemError(problems.noJob());
        if (!(await runJob(operate, job))) throw new ProblemError(problems.nobodyListens());
        request.log.info({ job }, "operator has a job run");
        return reply.code(202).send(null);
      },
    );

    app.get(
      "/ops/api/switches",
      { schema: { ...forOperator, summary: "What is paused", response: { 200: Type.Array(OpsSwitch), ...refusals } } },
      async () =>
        (await store.switches.list()).map(({ name, paused, changedAt }) => ({
          name,
          paused,
          changedAt: changedAt?.toISOString() ?? null,
        })),
    );

    app.patch(
      "/ops/api/switches/:name",
      {
        schema: {
          ...forOperator,
          summary: "Pause hand-outs or scaling, or let them go on",
          params: Type.Object({ name: Type.Union([Type.Literal("handouts"), Type.Literal("scaling")]) }),
          body: Type.Object({ paused: Type.Boolean() }, { additionalProperties: false }),
          response: { 204: Type.Null(), ...refusals },
        },
      },
      async (request, reply) => {
        await setSwitch(operate, request.params.name, request.body.paused);
        request.log.info({ switch: request.params.name, paused: request.body.paused }, "operator set a switch");
        return reply.code(204).send(null);
      },
    );

    app.get(
      "/ops/api/blocks",
      {
        schema: {
          ...forOperator,
          summary: "Addresses that get no instances, the newest first",
          response: { 200: Type.Array(OpsBlock), ...refusals },
        },
      },
      async () => (await store.blocks.list()).map((block) => ({ ...block, blockedAt: block.blockedAt.toISOString() })),
    );

    app.post(
      "/ops/api/blocks",
      {
        schema: {
          ...forOperator,
          summary: "Give an address, or an IPv6 /64, no more instances",
          description: "What it holds runs on.",
          body: Type.Object(
            { address: Type.String({ maxLength: 50 }), reason: Type.Optional(Type.String({ maxLength: 255 })) },
            { additionalProperties: false },
          ),
          response: { 201: Type.Pick(OpsBlock, ["address"]), ...refusals },
        },
      },
      async (request, reply) => {
        const address = keyOf(request.body.address);
        await blockAddress(operate, address, request.body.reason ?? "");
        request.log.info({ address }, "operator blocked an address");
        return reply.code(201).send({ address });
      },
    );

    app.delete(
      "/ops/api/blocks",
      {
        schema: {
          ...forOperator,
          summary: "Let an address have instances again",
          querystring: BlockedAddress,
          response: { 204: Type.Null(), ...refusals },
        },
      },
      async (request, reply) => {
        const address = keyOf(request.query.address);
        if (!(await unblockAddress(operate, address))) throw new ProblemError(problems.notBlocked());
        request.log.info({ address }, "operator unblocked an address");
        return reply.code(204).send(null);
      },
    );
  };
}

/** The key that quotas count an address by, which may be given as that key. */
function keyOf(text: string): string {
  const address = text.trim().replace(/\/64$/, "");
  if (isIP(address) === 0) throw new ProblemError(problems.notAnAddress());
  return addressKey(address);
}
