import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { keepAnnouncers, type KeepAnnouncersPorts } from "../core/balance/keep-announcers.ts";
import { keepGateways, type KeepGatewaysPorts } from "../core/fleet/keep-gateways.ts";
import { keepAddressRecords, type AddressRecordPorts } from "../core/fleet/keep-address-records.ts";
import { admitHosts, type AdmitPorts } from "../core/fleet/admit-hosts.ts";
import { keepHeartbeatUsers, type KeepHeartbeatUsersPorts } from "../core/fleet/keep-heartbeat-users.ts";
import { keepGatewayFirewall, prepareCloud, type PreparePorts } from "../core/fleet/prepare-cloud.ts";
import { followBlockList, type BlockListPorts } from "../core/operator/block-list.ts";
import type { MisuseRules } from "../core/operator/misuse.ts";
import { watchMisuse, type MisusePorts } from "../core/operator/watch-misuse.ts";
import { reap, type ReapPorts } from "../core/instances/reap.ts";
import { keepWorkloads, type KeepWorkloadsPorts } from "../core/ports/keep-workloads.ts";
import { keepWarm, type KeepWarmPorts, type KeepWarmReport, type KeepWarmRules } from "../core/warm-pool/keep-warm.ts";
import { measureTransfer, type MeasurePorts, type TransferBounds } from "../core/instances/measure-transfer.ts";
import { reconcile, type ReconcilePorts } from "../core/instances/reconcile.ts";
import { sampleFigures, type SamplePorts } from "../core/figures/sample-figures.ts";
import { scaleFleet, type ScalePorts } from "../core/fleet/scale-fleet.ts";
import { checkHosts, type CheckHostsPorts } from "../core/fleet/check-hosts.ts";
import { provideImages, type ProvideImagesPorts } from "../core/fleet/provide-images.ts";
import type { RoundLimits } from "../core/fleet/round.ts";
import type { Settings } from "../core/settings/settings.ts";
import { CloudFault } from "../core/fleet/cloud.ts";
import type { History } from "../core/figures/contract.ts";
import type { JobName } from "../core/events/names.ts";
import type { Notifications } from "../core/notifications/contract.ts";
import { deliver, type DeliverPorts, type DeliverRules } from "../core/notifications/deliver.ts";
import { followAlarms, type FollowAlarmsPorts, type FollowAlarmsRules } from "../core/notifications/follow-alarms.ts";

/** What the jobs work with. */
export type JobPorts = ReapPorts &
  ReconcilePorts &
  MeasurePorts &
  SamplePorts &
  BlockListPorts &
  MisusePorts &
  KeepWarmPorts & {
    readonly workloads: KeepWorkloadsPorts;
    readonly announcers: KeepAnnouncersPorts;
  } & FollowAlarmsPorts &
  DeliverPorts & {
    readonly store: {
      readonly history: Pick<History, "prune" | "eraseHolders">;
      readonly notifications: Pick<Notifications, "prune">;
    };
  };

/** What the jobs of a fleet work with besides. */
export type FleetJobPorts = {
  readonly scale: ScalePorts;
  readonly admit: AdmitPorts;
  /** Of hosts that have joined: do they answer, and have they the image? */
  readonly health: CheckHostsPorts & ProvideImagesPorts;
  readonly heartbeats: KeepHeartbeatUsersPorts;
  readonly prepare: PreparePorts;
  /** Gateways on droplets: how many there are to be, which may be none. */
  readonly gateways: KeepGatewaysPorts;
  /** Lets gateways on droplets log in to Redis, and nobody else by such a name. */
  readonly keepGatewayUsers: () => Promise<void>;
  /** Undefined where there is no edge, or somebody else keeps its address records. */
  readonly edgeDns: AddressRecordPorts | undefined;
  /** Term of this process's leadership; undefined while another one leads. */
  readonly term: () => Promise<number | undefined>;
};

/**
 * A job: its name, when it runs (cron), and what it does; `run` throws when it fails. A job with `isOurs` is
 * run and recorded only by the process for which that is true.
 */
export type Job = {
  readonly name: JobName;
  readonly cron: string;
  readonly isOurs?: () => Promise<boolean>;
  readonly run: () => Promise<void>;
};

const DAY = 86_400_000;
/** As `WARM_PERIOD_MS` says. */
const EACH_TWO_SECONDS = "*/2 * * * * *";
/** In one run of the pool: each starts one instance on a host at most. */
const WARM_PASSES = 10;
const EACH_TEN_SECONDS = "*/10 * * * * *";
const EACH_MINUTE = "* * * * *";

/** The table of all jobs. Without a fleet, there is nothing to scale. */
export function schedule(
  {
    reapCron,
    reconcileCron,
    pruneCron,
    admitCron,
    scaleCron,
    historyDays,
    accessRecordDays,
    transferCron,
    transferAlarmBytes,
    concurrency,
    hostBudgetMs,
  }: Settings["jobs"],
  rules: {
    readonly misuse: MisuseRules;
    readonly notify: FollowAlarmsRules & DeliverRules;
    readonly warm: KeepWarmRules;
    /** That one instance may send. */
    readonly transferBytes: number;
  },
  ports: JobPorts,
  fleet: FleetJobPorts | undefined,
  logger: Logger,
): readonly Job[] {
  const round = { concurrency, hostBudgetMs };
  const misuse = watchMisuse(ports, rules.misuse, round);
  const warm = keepWarm(ports, rules.warm);
  const bounds = { instanceBytes: rules.transferBytes, alarmBytes: transferAlarmBytes };
  const jobs: Job[] = [
    { name: "reap", cron: reapCron, run: () => runReaper(ports, round, logger) },
    { name: "reconcile", cron: reconcileCron, run: () => runReconcile(ports, round, logger) },
    { name: "transfer", cron: transferCron, run: () => runMeasurement(ports, round, bounds, logger) },
    { name: "prune", cron: pruneCron, run: () => runPrune(ports, historyDays, accessRecordDays, logger) },
    { name: "block-list", cron: EACH_TEN_SECONDS, run: followBlockList(ports) },
    { name: "misuse", cron: EACH_MINUTE, run: () => runMisuse(misuse, logger) },
    { name: "notify", cron: EACH_TEN_SECONDS, run: () => runNotify(ports, rules.notify, logger) },
    { name: "warm", cron: EACH_TWO_SECONDS, run: () => runWarmPool(warm, logger) },
    { name: "workloads", cron: EACH_TWO_SECONDS, run: () => runWorkloads(ports, concurrency, logger) },
    { name: "announcers", cron: EACH_TEN_SECONDS, run: () => keepAnnouncers(ports.announcers) },
    { name: "figures", cron: EACH_MINUTE, run: () => sampleFigures(ports, fleet !== undefined) },
  ];
  if (!fleet) return jobs;
  const isLeader = async () => (await fleet.term()) !== undefined;
  const preparation = once(() => runPreparation(fleet, logger));
  const openPorts = keepGatewayFirewall(fleet.prepare);
  return [
    ...jobs,
    { name: "health", cron: reconcileCron, run: () => checkHosts(fleet.health, round) },
    { name: "images", cron: reconcileCron, run: () => provideImages(fleet.health, concurrency) },
    {
      name: "heartbeats",
      cron: admitCron,
      run: async () => {
        await keepHeartbeatUsers(fleet.heartbeats);
        await fleet.keepGatewayUsers();
      },
    },
    { name: "admit", cron: admitCron, run: () => runAdmission(fleet, concurrency, logger) },
    {
      name: "scale",
      cron: scaleCron,
      isOurs: isLeader,
      run: () => runScaling(fleet, preparation, logger),
    },
    {
      name: "gateways",
      cron: scaleCron,
      isOurs: isLeader,
      run: () => runGateways(fleet, preparation, openPorts, logger),
    },
    ...(fleet.edgeDns ? [edgeDnsJob(fleet.edgeDns, isLeader, logger)] : []),
  ];
}

/** The leader of the scaling alone: two processes would each make a record for the same gateway. */
function edgeDnsJob(ports: AddressRecordPorts, isOurs: () => Promise<boolean>, logger: Logger): Job {
  const keep = keepAddressRecords(ports);
  return {
    name: "edge-dns",
    cron: EACH_TWO_SECONDS,
    isOurs,
    run: async () => {
      for (const { kind, reason } of await keep()) logger.info({ kind, reason }, "address records of the edge");
    },
  };
}

async function runReaper(ports: JobPorts, round: RoundLimits, logger: Logger): Promise<void> {
  const { ended, waiting } = await reap(ports, round);
  if (ended > 0) logger.info({ ended }, "instances ended");
  for (const { hostName, instances, fault } of waiting)
    logger.warn({ host: hostName, instances, err: fault }, "instances wait for their host");
}

async function runMisuse(watch: () => Promise<number>, logger: Logger): Promise<void> {
  const ended = await watch();
  if (ended > 0) logger.warn({ ended }, "instances ended for misuse");
}

async function runWorkloads({ workloads }: JobPorts, concurrency: number, logger: Logger): Promise<void> {
  const { done, failed } = await keepWorkloads(workloads, concurrency);
  if (done > 0) logger.info({ done }, "workloads carried out");
  if (failed > 0) logger.warn({ failed }, "workloads cannot be carried out");
}

async function runWarmPool(keep: () => Promise<KeepWarmReport>, logger: Logger): Promise<void> {
  for (let pass = 0; pass < WARM_PASSES; pass++) {
    const begun = performance.now();
    const { wanted, started, ended, failures } = await keep();
    if (started > 0 || ended > 0) logger.debug({ wanted, started, ended }, "warm pool");
    for (const { hostName, fault } of failures) logger.warn({ host: hostName, err: fault }, "no warm instance");
    if (started === 0) return;
    // As long as the start took: half of a host's time stays for those who wait.
    await delay(performance.now() - begun);
  }
}

async function runNotify(ports: JobPorts, rules: FollowAlarmsRules & DeliverRules, logger: Logger): Promise<void> {
  const told = await followAlarms(ports, rules);
  if (told > 0) logger.info({ told }, "alarms told");
  await deliver(ports, rules);
}

async function runReconcile(ports: JobPorts, round: RoundLimits, logger: Logger): Promise<void> {
  const { repairs, restarts, unseen } = await reconcile(ports, round);
  for (const { hostName, instanceId, ...repair } of repairs)
    logger.info({ host: hostName, instance: instanceId, ...repair }, "repaired");
  for (const { hostName, instanceId, cause } of restarts)
    logger.info({ host: hostName, instance: instanceId, cause }, "instance came back empty");
  for (const { hostName, fault } of unseen) logger.warn({ host: hostName, err: fault }, "host not reconciled");
}

async function runMeasurement(
  ports: JobPorts,
  round: RoundLimits,
  bounds: TransferBounds,
  logger: Logger,
): Promise<void> {
  const { unseen } = await measureTransfer(ports, round, bounds);
  for (const { hostName, fault } of unseen) logger.warn({ host: hostName, err: fault }, "transfer not measured");
}

async function runPrune(
  { store, clock }: JobPorts,
  historyDays: number,
  accessRecordDays: number | undefined,
  logger: Logger,
): Promise<void> {
  const before = (days: number) => new Date(clock().getTime() - days * DAY);
  const forgotten = await store.history.prune(before(historyDays));
  if (forgotten > 0) logger.info({ forgotten }, "history pruned");
  await store.notifications.prune(before(historyDays));
  if (accessRecordDays === undefined) return;
  const erased = await store.history.eraseHolders(before(accessRecordDays));
  if (erased > 0) logger.info({ erased }, "holders' addresses erased");
}

async function runAdmission({ admit }: FleetJobPorts, concurrency: number, logger: Logger): Promise<void> {
  for (const host of await admitHosts(admit, concurrency)) logger.info({ host }, "host joined");
}

async function runScaling(
  { scale, term }: FleetJobPorts,
  preparation: () => Promise<void>,
  logger: Logger,
): Promise<void> {
  const current = await term();
  if (current === undefined || !(await isPrepared(preparation, logger))) return;
  for (const action of await scaleFleet(scale, current)) logger.info(action, "scaling");
}

async function runGateways(
  { gateways, term }: FleetJobPorts,
  preparation: () => Promise<void>,
  openPorts: () => Promise<void>,
  logger: Logger,
): Promise<void> {
  const current = await term();
  if (current === undefined || !(await isPrepared(preparation, logger))) return;
  // Gateways are kept all the same: those that are there serve on.
  await isPrepared(openPorts, logger);
  for (const action of await keepGateways(gateways, current)) logger.info(action, "gateways");
}

async function isPrepared(preparation: () => Promise<void>, logger: Logger): Promise<boolean> {
  try {
    await preparation();
    return true;
  } catch (fault) {
    if (!(fault instanceof CloudFault)) throw fault;
    logger.warn({ err: fault }, "tag and firewall cannot be made");
    return false;
  }
}

async function runPreparation({ prepare }: FleetJobPorts, logger: Logger): Promise<void> {
  for (const reason of await prepareCloud(prepare)) logger.warn({ reason }, "settings and cloud disagree");
}

/** Repeats the work until it has succeeded once; who asks while it is at work waits for that. */
function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    if (done) return done;
    const doing = work();
    done = doing;
    doing.catch(() => (done = undefined));
    return doing;
  };
}
