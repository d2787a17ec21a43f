import type { Logger } from "pino";
import { reap, type ReapPorts } from "../core/actions/reap.ts";
import { reconcile, type ReconcilePorts } from "../core/actions/reconcile.ts";
import type { Config } from "../core/config.ts";

/** What the jobs work with. */
export type JobPorts = ReapPorts & ReconcilePorts & { readonly store: { readonly prune: (before: Date) => Promise<number> } };

/** A job: its name, when it runs (cron), and what it does; `run` throws when it could not do it. */
export type Job = { readonly name: string; readonly cron: string; readonly run: () => Promise<void> };

const DAY = 86_400_000;

/** The table of all jobs. */
export function schedule(config: Config, ports: JobPorts, logger: Logger): readonly Job[] {
  return [
    { name: "reap", cron: config.REAP_CRON, run: () => runReaper(ports, config.JOB_CONCURRENCY, logger) },
    { name: "reconcile", cron: config.RECONCILE_CRON, run: () => runReconcile(ports, config.JOB_CONCURRENCY, logger) },
    { name: "prune", cron: config.PRUNE_CRON, run: () => runPrune(ports, config.HISTORY_DAYS, logger) },
  ];
}

async function runReaper(ports: JobPorts, concurrency: number, logger: Logger): Promise<void> {
  const { ended, waiting } = await reap(ports, concurrency);
  if (ended > 0) logger.info({ ended }, "instances ended");
  for (const { hostName, instances, fault } of waiting) logger.warn({ host: hostName, instances, err: fault }, "instances wait for their host");
}

async function runReconcile(ports: JobPorts, concurrency: number, logger: Logger): Promise<void> {
  const { repairs, unseen } = await reconcile(ports, concurrency);
  for (const { hostName, instanceId, ...repair } of repairs) logger.info({ host: hostName, instance: instanceId, ...repair }, "repaired");
  for (const { hostName, fault } of unseen) logger.warn({ host: hostName, err: fault }, "host not reconciled");
}

async function runPrune(ports: JobPorts, days: number, logger: Logger): Promise<void> {
  const forgotten = await ports.store.prune(new Date(ports.clock().getTime() - days * DAY));
  if (forgotten > 0) logger.info({ forgotten }, "history pruned");
}
