import { Type } from "typebox";
import type { App, ServerParts } from "../../server.ts";
import { limitsOf } from "../home/index.ts";

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

/** `GET /stats`: what everybody may know. */
export function statsRoutes({ store, create, config }: ServerParts) {
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
        ...(await store.history.countHandouts(create.clock())),
        limits: limitsOf(config),
      }),
    );
  };
}
