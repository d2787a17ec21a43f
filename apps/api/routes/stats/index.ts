import { Type, type Static } from "typebox";
import type { History } from "../../../core/figures/contract.ts";
import type { App } from "../../app.ts";
import { publicLimits, type PublicRules } from "../public-limits.ts";

/** What the counts need. */
export type StatsRouteParts = {
  readonly store: { readonly history: Pick<History, "countHandouts"> };
  readonly clock: () => Date;
  readonly rules: PublicRules;
};

const Stats = Type.Object({
  running: Type.Integer({ description: "Instances running now" }),
  startedEver: Type.Integer({ description: "Instances handed out since the beginning" }),
  limits: Type.Object({
    ttlSeconds: Type.Integer({ description: "Lifetime when none is asked for" }),
    minTtlSeconds: Type.Integer(),
    maxTtlSeconds: Type.Integer({ description: "Longest lifetime, extensions included" }),
    perAddress: Type.Integer({ description: "Instances an address may hold at once" }),
    memoryMb: Type.Integer(),
    maxClients: Type.Integer(),
  }),
});
/** Counts of instances, and the limits of each. */
export type Stats = Static<typeof Stats>;

/** `GET /stats`: public counts. */
export function statsRoutes({ store, clock, rules }: StatsRouteParts) {
  return (app: App) => {
    app.get(
      "/stats",
      {
        schema: {
          tags: ["service"],
          summary: "Instances running and handed out, and the limits",
          response: { 200: Stats },
        },
      },
      async () => ({
        ...(await store.history.countHandouts(clock())),
        limits: publicLimits(rules),
      }),
    );
  };
}
