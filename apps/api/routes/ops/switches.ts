import { Type } from "typebox";
import type { Switches } from "../../../core/operator/contract.ts";
import { setSwitch, type SetSwitchPorts } from "../../../core/operator/operate.ts";
import type { App } from "../../app.ts";
import { refusalsAndFaults } from "../schemas.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, Moment } from "./schemas.ts";

/** What the calls on switches need. */
export type OpsSwitchParts = SetSwitchPorts & { readonly store: { readonly switches: Pick<Switches, "list"> } };

const OpsSwitch = Type.Object({ name: Type.String(), paused: Type.Boolean(), changedAt: Moment });
const schemas = {
  list: { ...forViewer, summary: "What is paused", response: { 200: Type.Array(OpsSwitch), ...refusalsAndFaults } },
  set: {
    ...forOperator,
    summary: "Pause hand-outs or scaling, or let them go on",
    params: Type.Object({ name: Type.Enum(["handouts", "scaling"]) }),
    body: Type.Object({ paused: Type.Boolean() }, { additionalProperties: false }),
    response: { 204: Type.Null(), ...refusalsAndFaults },
  },
};

/** Switches: what the operator has paused. */
export function opsSwitchRoutes(parts: OpsSwitchParts) {
  return (app: App) => {
    app.get("/ops/api/switches", { schema: schemas.list }, async () =>
      (await parts.store.switches.list()).map(({ name, paused, changedAt }) => ({
        name,
        paused,
        changedAt: changedAt?.toISOString() ?? null,
      })),
    );

    app.patch("/ops/api/switches/:name", { schema: schemas.set }, async (request, reply) => {
      const { name } = request.params;
      const { paused } = request.body;
      const by = callerOf(request).name;
      await setSwitch(parts, by, name, paused);
      request.log.info({ by, switch: name, paused }, "operator set a switch");
      return reply.code(204).send(null);
    });
  };
}
