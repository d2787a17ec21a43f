import { Type, type Static } from "typebox";
import type { Figures as KeptFigures } from "../../../core/figures/contract.ts";
import type { Droplets, GatewayDroplets } from "../../../core/fleet/contract.ts";
import { costOf } from "../../../core/fleet/droplet-costs.ts";
import { figureSeries, type FigureSeries, type Series, type Values } from "../../../core/figures/figures.ts";
import type { App } from "../../app.ts";
import { forViewer } from "./schemas.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Steps of each span: enough for a line in a chart, and few enough to read. */
const spans = {
  hour: { spanMs: HOUR_MS, stepMs: MINUTE_MS },
  day: { spanMs: 24 * HOUR_MS, stepMs: 15 * MINUTE_MS },
  week: { spanMs: 7 * 24 * HOUR_MS, stepMs: 2 * HOUR_MS },
};

const OfValues = Type.Unsafe<Values>(Type.Array(Type.Union([Type.Number(), Type.Null()])));
const OfSeries = Type.Unsafe<Series>(Type.Record(Type.String(), OfValues));
const Figures = Type.Object(
  {
    stepSeconds: Type.Integer({ description: "Length of a step." }),
    times: Type.Unsafe<readonly number[]>(
      Type.Array(Type.Integer({ description: "When a step begins, in milliseconds since 1970." })),
    ),
    handouts: OfSeries,
    began: Type.Unsafe<Series>(
      Type.Record(Type.String(), OfValues, {
        description: "How hand-outs began: warm, with an instance that was ready, or cold, with a container to start.",
      }),
    ),
    ends: OfSeries,
    hosts: OfSeries,
    droplets: OfSeries,
    leases: OfValues,
    slots: OfValues,
    took: Type.Unsafe<FigureSeries["took"]>(Type.Object({ p50: OfValues, p95: OfValues, p99: OfValues })),
    today: Type.Object(
      {
        dropletHours: Type.Number({ description: "Hours that all droplets have run." }),
        dollars: Type.Number({ description: "What they cost." }),
      },
      { description: "Since midnight UTC." },
    ),
  },
  { title: "FleetFigures", description: "One value for each step. null: none was kept." },
);
/** Figures of the last hour, day or week, one value a step. */
export type OpsFigures = Static<typeof Figures>;

/** What reading figures needs. */
export type OpsFigureParts = {
  readonly store: {
    readonly figures: Pick<KeptFigures, "readMinutes">;
    readonly droplets: Pick<Droplets, "listLives">;
    readonly gatewayDroplets: Pick<GatewayDroplets, "listCosts">;
  };
  readonly clock: () => Date;
};

/** Figures over the last hour, day or week. */
export function opsFigureRoutes({ store, clock }: OpsFigureParts) {
  return (app: App) => {
    app.get(
      "/ops/api/figures",
      {
        schema: {
          ...forViewer,
          operationId: "readFleetFigures",
          summary: "Read figures of the last hour, day or week",
          description: "Gives one value for each step, and null where none was kept.",
          querystring: Type.Object(
            {
              span: Type.Optional(
                Type.Enum(["hour", "day", "week"], { description: "How far back. hour if you send none." }),
              ),
            },
            { additionalProperties: false },
          ),
          response: { 200: Figures },
        },
      },
      async (request) => {
        const now = clock();
        const { spanMs, stepMs } = spans[request.query.span ?? "hour"];
        // Up to the end of the current step.
        const to = new Date(Math.floor(now.getTime() / stepMs) * stepMs + stepMs);
        const from = new Date(to.getTime() - spanMs);
        const midnight = new Date(Math.floor(now.getTime() / (24 * HOUR_MS)) * 24 * HOUR_MS);
        const [minutes, droplets, gateways] = await Promise.all([
          store.figures.readMinutes(from),
          store.droplets.listLives(midnight),
          store.gatewayDroplets.listCosts(midnight),
        ]);
        const { hours, dollars } = costOf([...droplets, ...gateways], midnight, now);
        return {
          stepSeconds: stepMs / 1000,
          ...figureSeries(minutes, from, to, stepMs),
          today: { dropletHours: hours, dollars },
        };
      },
    );
  };
}
