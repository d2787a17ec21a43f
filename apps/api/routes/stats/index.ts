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

const Stats = Type.Object(
  {
    running: Type.Integer({ description: "Instances that run now." }),
    startedEver: Type.Integer({ description: "Instances handed out since the service began." }),
    limits: Type.Object(
      {
        ttlSeconds: Type.Integer({ description: "Lifetime of an instance if you ask for none." }),
        minTtlSeconds: Type.Integer({ description: "Shortest lifetime." }),
        maxTtlSeconds: Type.Integer({ description: "Longest lifetime, extensions included." }),
        perAddress: Type.Integer({ description: "Instances that an IP address may hold at once." }),
        memoryMb: Type.Integer({ description: "Megabytes that keys and values may take." }),
        maxClients: Type.Integer({ description: "Connections that may be open at once." }),
      },
      { title: "Limits", description: "Limits of each instance." },
    ),
  },
  { title: "Stats", description: "Counts of instances, and their limits." },
);
/** Counts of instances, and the limits of each. */
export type Stats = Static<typeof Stats>;

/** `GET /stats`: public counts. */
export function statsRoutes({ store, clock, rules }: StatsRouteParts) {
  return (app: App) => {
    app.get(
      "/stats",
      {
        schema: {
          operationId: "readStats",
          tags: ["service"],
          summary: "Count instances, and read the limits",
          description: "Counts for everybody. The page shows them.",
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
