import { recipeOf } from "../warm-pool/recipe.ts";
import type { KeepWarmRules } from "../warm-pool/keep-warm.ts";
import { redisService } from "../services/redis.ts";
import { edgeOf, type EdgeAddress } from "./edge.ts";
import { setting, type ValuesOf } from "./declaration.ts";
import { instanceLimits, warmTimes, type instances } from "./instances.ts";
import { duration, whole } from "./kinds.ts";

/** Time between two runs of the job that keeps instances warm. */
export const WARM_PERIOD_MS = 2_000;

/** The warm pool: instances that are started ahead, so that a hand-out need not wait for a container. */
export const warmPool = {
  least: setting(
    "WARM_POOL_MIN",
    whole(0, 1_000, "instances"),
    2,
    "Fewest instances that are kept ready, however little is asked for.",
  ),
  most: setting(
    "WARM_POOL_MAX",
    whole(0, 1_000, "instances"),
    16,
    "Most instances that are kept ready. As many are as are asked for while one is replaced. 0: none, every hand-out " +
      "starts a container.",
  ),
  maxAgeMs: setting(
    "WARM_MAX_AGE_SECONDS",
    duration(60, 86_400),
    3_600,
    "Age at which an instance that nobody has taken is replaced by a fresh one.",
  ),
};

/** Faults in the relations of these settings. */
export function warmPoolFaults({ least, most }: { readonly least: number; readonly most: number }): string[] {
  return most > 0 && least > most ? [`WARM_POOL_MIN (${least}) is more than WARM_POOL_MAX (${most})`] : [];
}

/** Rules of the pool, out of the settings. */
export function keepWarmRules(settings: {
  readonly warmPool: ValuesOf<typeof warmPool>;
  readonly instances: ValuesOf<typeof instances, "INSTANCE_IMAGE">;
  readonly service: { readonly serverSecret: string };
  readonly jobs: { readonly concurrency: number };
  readonly edge: EdgeAddress;
}): KeepWarmRules {
  const service = redisService(instanceLimits(settings.instances), edgeOf(settings));
  const { serverSecret } = settings.service;
  const times = warmTimes(settings.instances, settings.warmPool.maxAgeMs);
  return {
    ...settings.warmPool,
    ...times,
    service,
    serverSecret,
    recipe: recipeOf(service, serverSecret, times),
    slotBackoffMs: settings.instances.slotBackoffMs,
    usualLeaseMs: settings.instances.leaseSeconds * 1000,
    periodMs: WARM_PERIOD_MS,
    concurrency: settings.jobs.concurrency,
  };
}
