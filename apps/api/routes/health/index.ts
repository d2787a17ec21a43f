import { Type, type Static } from "typebox";
import type { FleetCache } from "../../../core/fleet/fleet-cache.ts";
import { createKeptAnswer } from "../../../lib/kept-answer.ts";
import type { App } from "../../app.ts";
import { admitScraper } from "../../callers/scraper.ts";
import type { Metrics } from "../../figures/metrics.ts";

/** What the probes need. */
export type HealthRouteParts = {
  /** Each resolves when its system answers. */
  readonly ping: { readonly mysql: () => Promise<void>; readonly redis: () => Promise<void> };
  readonly fleet: Pick<FleetCache, "standings" | "isBlind">;
  readonly metrics: Pick<Metrics, "registry">;
  readonly clock: () => Date;
  readonly settings: { readonly metricsToken: string | undefined };
};

/** How long an answer serves others. That it is ready again is told sooner: load balancers wait for it. */
const READY_MS = 1_000;
const UNREADY_MS = 100;

const Readiness = Type.Object(
  {
    ready: Type.Boolean({ description: "Whether instances can be handed out." }),
    checks: Type.Record(Type.String(), Type.String(), {
      description: "What each of mysql, redis and hosts says: ok, or what is wrong.",
    }),
  },
  { title: "Readiness", description: "Whether the service can hand out instances." },
);
const Health = Type.Object({ ok: Type.Literal(true) }, { title: "Health", description: "The process answers." });

/**
 * Liveness, readiness by dependency, and metrics, for machines. The probes are not rate-limited: a flood of
 * requests must not make the service look down.
 */
export function healthRoutes({ ping, fleet, metrics, clock, settings }: HealthRouteParts) {
  const readiness = createKeptAnswer(
    readReadiness,
    ({ ready }) => (ready ? READY_MS : UNREADY_MS),
    () => clock().getTime(),
  );

  return (app: App) => {
    const config = { rateLimit: false as const };

    app.get(
      "/healthz",
      {
        config,
        schema: {
          operationId: "readHealth",
          tags: ["service"],
          summary: "Check that the process works",
          description: "Asks nothing but the process itself.",
          response: { 200: Health },
        },
      },
      () => ({ ok: true as const }),
    );

    app.get(
      "/readyz",
      {
        config,
        schema: {
          operationId: "readReadiness",
          tags: ["service"],
          summary: "Check that instances can be handed out",
          description: "Tells what each dependency says, as it was a second ago at most.",
          response: { 200: Readiness, 503: Readiness },
        },
      },
      async (_request, reply) => {
        const answer = await readiness();
        return reply
          .code(answer.ready ? 200 : 503)
          .header("cache-control", "no-store")
          .send(answer);
      },
    );

    app.get(
      "/metrics",
      {
        schema: {
          operationId: "readMetrics",
          tags: ["service"],
          summary: "Read metrics for Prometheus",
          description: "If METRICS_TOKEN is set, send it as a bearer. If not, only programs on this machine may read.",
          security: [{ scraper: [] }, {}],
          response: {
            200: {
              description: "The metrics.",
              content: { "text/plain": { schema: Type.String({ description: "Text format 0.0.4 of Prometheus." }) } },
            },
          },
          refusals: ["token-missing", "token-wrong", "metrics-closed"],
        },
      },
      async (request, reply) => {
        admitScraper(request, settings.metricsToken);
        return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
      },
    );
  };

  async function readReadiness(): Promise<Static<typeof Readiness>> {
    const [mysql, redis] = await Promise.allSettled([ping.mysql(), ping.redis()]);
    const now = clock();
    const live = fleet
      .standings(now)
      .some(({ standing }) => standing === "open" || standing === "full" || standing === "backing-off");
    const hosts = fleet.isBlind(now) ? "unseen" : live ? "ok" : "none is live";
    const checks = { mysql: outcome(mysql), redis: outcome(redis), hosts };
    return { ready: Object.values(checks).every((check) => check === "ok"), checks };
  }
}

function outcome(result: PromiseSettledResult<void>): string {
  return result.status === "fulfilled" ? "ok" : "does not answer";
}
