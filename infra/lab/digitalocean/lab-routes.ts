import { Type } from "typebox";
import { Compile } from "typebox/compile";
import type { FastifyInstance } from "fastify";
import type { CallLog } from "./calls.ts";
import type { Droplets } from "./droplets.ts";
import { faultKinds, type Faults } from "./faults.ts";
import type { Machines } from "./machines.ts";
import { apiErrors } from "./api-error.ts";

/** What the lab's own routes work on. */
export type LabParts = {
  readonly droplets: Droplets;
  readonly faults: Faults;
  readonly calls: CallLog;
  readonly machines: Machines | undefined;
};

type ById = { Params: { id: string } };

const ruleSchema = Compile(
  Type.Object(
    {
      kind: Type.Union(faultKinds.map((kind) => Type.Literal(kind))),
      times: Type.Optional(Type.Integer({ minimum: 1 })),
      method: Type.Optional(Type.String()),
      path: Type.Optional(Type.String()),
      name: Type.Optional(Type.String()),
      size: Type.Optional(Type.String()),
      ms: Type.Optional(Type.Integer({ minimum: 0 })),
      retryAfterSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
    },
    { additionalProperties: false },
  ),
);
const partitionSchema = Compile(Type.Object({ isCutOff: Type.Boolean() }));

/** Routes that DigitalOcean does not have: faults to come, calls so far, power cuts and cut networks. */
export function labRoutes(app: FastifyInstance, { droplets, faults, calls, machines }: LabParts): void {
  app.get("/lab/faults", () => ({ faults: faults.list() }));
  app.post("/lab/faults", (request, reply) => {
    if (!ruleSchema.Check(request.body))
      throw apiErrors.unprocessable(
        `not a rule: ${ruleSchema.Errors(request.body)[0]?.message ?? ""}; kinds are ${faultKinds.join(", ")}`,
      );
    return reply.code(201).send({ id: faults.add(request.body) });
  });
  app.delete("/lab/faults", (_request, reply) => {
    faults.clear();
    return reply.code(204).send();
  });
  app.delete<ById>("/lab/faults/:id", (request, reply) => {
    if (!faults.remove(Number(request.params.id))) throw apiErrors.notFound();
    return reply.code(204).send();
  });

  app.get("/lab/calls", () => ({ counts: calls.counts() }));

  // The API does not know of it: it goes on reporting droplets as they were.
  app.post<ById>("/lab/droplets/:id/power-off", async (request, reply) => {
    await present(machines).powerOff(droplets.get(Number(request.params.id)).id);
    return reply.code(204).send();
  });
  app.post<ById>("/lab/droplets/:id/power-on", async (request, reply) => {
    await present(machines).powerOn(droplets.get(Number(request.params.id)).id);
    return reply.code(204).send();
  });
  app.post<ById>("/lab/droplets/:id/partition", async (request, reply) => {
    if (!partitionSchema.Check(request.body)) throw apiErrors.badRequest();
    const { partition } = present(machines);
    if (!partition) throw apiErrors.unprocessable("these machines cannot be cut off");
    await partition(droplets.get(Number(request.params.id)).id, request.body.isCutOff);
    return reply.code(204).send();
  });
}

function present(machines: Machines | undefined): Machines {
  if (!machines) throw apiErrors.unprocessable("this lab has no machines");
  return machines;
}
