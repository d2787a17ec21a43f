import { Type } from "typebox";
import type { FleetCache } from "../../../core/fleet/fleet-cache.ts";
import type { App } from "../../app.ts";
import { admitScraper } from "../../callers/scraper.ts";
import type { Metrics } from "../../figures/metrics.ts";
import { refusals } from "../schemas.ts";

/** What the probes need. */
export type HealthRouteParts = {
  /** Each resolves when its system answers. */
  readonly ping: { readonly mysql: () => Promise<void>; readonly redis: () => Promise<void> };
  readonly fleet: Pick<FleetCache, "standings" | "isBlind">;
  readonly metrics: Pick<Metrics, "registry">;
  readonly clock: () => Date;
  readonly settings: { readonly metricsToken: string | undefined };
};

const Readiness = Type.Object({ ready: Type.Boolean(), checks: Type.Record(Type.String(), Type.String()) });

/**
 * Liveness, readiness by dependency, and metrics, for machines. The probes are not rate-limited: a flood of
 * requests must not make the service look down.
 */
export function healthRoutes({ ping, fleet, metrics, clock, settings }: HealthRouteParts) {
  return (app: App) => {
    const config = { rateLimit: false as const };

    app.get(
      "/healthz",
      {
        config,
        schema: {
          tags: ["service"],
          summary: "Whether the process works",
          response: { 200: Type.Object({ ok: Type.Literal(true) }) },
        },
      },
      () => ({ ok: true as const }),
    );

    app.get(
      "/readyz",
      {
        config,
        schema: {
          tags: ["service"],
          summary: "Whether instances can be handed out, by dependency",
          response: { 200: Readiness, 503: Readiness },
        },
      },
      async (_request, reply) => {
        const [mysql, redis] = await Promise.allSettled([ping.mysql(), ping.redis()]);
        const now = clock();
        const standings = fleet.standings(now);
        const live = standings.filter(
          ({ standing }) => standing === "open" || standing === "full" || standing === "backing-off",
        ).length;
        const hosts = fleet.isBlind(now) ? "unseen" : live > 0 ? "ok" : "none is live";
        const checks = { mysql: outcome(mysql), redis: outcome(redis), hosts };
        const ready = Object.values(checks).every((check) => check === "ok");
        return reply
          .code(ready ? 200 : 503)
          .header("cache-control", "no-store")
          .send({ ready, checks });
      },
    );

    app.get(
      "/metrics",
      {
        schema: {
          tags: ["service"],
          summary: "Metrics in Prometheus' text format",
          description: "For programs on this machine; with METRICS_TOKEN set, for whoever sends that as bearer token.",
          response: { 200: Type.String(), ...refusals },
        },
      },
      async (request, reply) => {
        admitScraper(request, settings.metricsToken);
        return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
      },
    );
  };
}

function outcome(result: PromiseSettledResult<void>): string {
  return result.status === "fulfilled" ? "ok" : "does not answer";
}
