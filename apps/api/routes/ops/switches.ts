import { Type } from "typebox";
import type { Switches } from "../../../core/operator/contract.ts";
import { setSwitch, type SetSwitchPorts } from "../../../core/operator/operate.ts";
import type { App } from "../../app.ts";
import { callerOf } from "./callers.ts";
import { forOperator, forViewer, moment } from "./schemas.ts";

/** What the calls on switches need. */
export type OpsSwitchParts = SetSwitchPorts & { readonly store: { readonly switches: Pick<Switches, "list"> } };

const OpsSwitch = Type.Object(
  {
    name: Type.String({ description: "handouts or scaling." }),
    paused: Type.Boolean({ description: "Whether it is paused." }),
    changedAt: moment("When that changed last. null: never."),
  },
  { title: "Switch", description: "What operators can pause." },
);
const schemas = {
  list: {
    ...forViewer,
    operationId: "listSwitches",
    summary: "Read what is paused",
    description: "Tells whether hand-outs and scaling are paused.",
    response: { 200: Type.Array(OpsSwitch) },
  },
  set: {
    ...forOperator,
    operationId: "setSwitch",
    summary: "Pause hand-outs or scaling, or resume them",
    description:
      "While hand-outs are paused, nobody gets a new instance, and running ones go on. While scaling is paused, no " +
      "droplet is ordered or destroyed by itself.",
    params: Type.Object({
      name: Type.Enum(["handouts", "scaling"], { description: "What to pause or resume.", examples: ["scaling"] }),
    }),
    body: Type.Object(
      { paused: Type.Boolean({ description: "true pauses, false resumes.", examples: [true] }) },
      { additionalProperties: false, title: "SwitchChange", description: "Whether to pause." },
    ),
    response: { 204: Type.Null({ description: "The switch is set." }) },
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
