import { optional, setting } from "./declaration.ts";
import { cron, duration, megabytes, whole } from "./kinds.ts";

/** The jobs: when they run, and how much at once. */
export const jobs = {
  scaleCron: setting("SCALE_CRON", cron, "*/30 * * * * *", "When the fleet is compared with what it should be."),
  admitCron: setting("ADMIT_CRON", cron, "*/5 * * * * *", "When booted droplets are made hosts."),
  reapCron: setting(
    "REAP_CRON",
    cron,
    "* * * * *",
    "When instances past their lifetime are ended (cron, seconds allowed as a sixth field in front).",
  ),
  reconcileCron: setting("RECONCILE_CRON", cron, "* * * * *", "When rows and containers are compared and repaired."),
  pruneCron: setting("PRUNE_CRON", cron, "17 * * * *", "When history older than HISTORY_DAYS is dropped."),
  historyDays: setting(
    "HISTORY_DAYS",
    whole(1, 3650, "days"),
    30,
    "How long ended instances, with their addresses, are remembered.",
  ),
  accessRecordDays: optional(
    "ACCESS_RECORD_DAYS",
    whole(1, 3650, "days"),
    "How long it is known which address held an ended instance; after that, its address is erased. " +
      "Default, and at most: HISTORY_DAYS.",
  ),
  transferCron: setting("TRANSFER_CRON", cron, "*/30 * * * * *", "When it is read what instances have sent."),
  transferAlarmBytes: setting(
    "TRANSFER_ALARM_MB_PER_DAY",
    megabytes(0, 1_000_000_000, "MB"),
    100_000,
    "What all instances together send on a day (UTC) before there is an alarm; a small droplet's price " +
      "includes some 66,000 a day. 0: no alarm.",
  ),
  concurrency: setting("JOB_CONCURRENCY", whole(1, 1000, "hosts"), 8, "Hosts a job works on at once."),
  hostBudgetMs: setting(
    "JOB_HOST_SECONDS",
    duration(1, 3600),
    20,
    "Time a run of a job spends on one host; what is left waits for the next run. A silent host gets 2 s at most.",
  ),
};
