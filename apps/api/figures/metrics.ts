import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { HostStanding } from "../../core/fleet/fleet-cache.ts";
import { handoutBuckets, type HandoutOutcome } from "../../core/figures/figures.ts";
import type { ServerVersion } from "../../core/services/server-version.ts";
import { whileKnown } from "../../lib/unavailable.ts";
import { createHandoutTally } from "./handout-tally.ts";

/** What the gauges ask when they are read. */
export type MetricSources = {
  readonly standings: () => readonly HostStanding[];
  readonly countHandouts: () => Promise<{ readonly running: number; readonly startedEver: number }>;
  readonly listServers: () => Promise<readonly ServerVersion[]>;
  /** How much of the room is used, from 0 to 1, and the bits of work that a newcomer is asked for. */
  readonly readAdmission: () => Promise<{ readonly load: number; readonly bits: number }>;
  readonly listDroplets: () => Promise<readonly { readonly state: string }[]>;
  readonly listRuns: () => Promise<
    readonly { readonly job: string; readonly startedAt: Date; readonly succeededAt: Date | null }[]
  >;
  /** Running instances that each rule about misuse has found lately. */
  readonly countMisused: () => Promise<readonly { readonly rule: string; readonly instances: number }[]>;
  /** Bytes that all instances have sent today, and how many of them have sent all they may. */
  readonly readTransfer: () => Promise<{ readonly dayBytes: number; readonly throttled: number }>;
  /** Bytes of a day from which on there is an alarm; 0: never. */
  readonly transferAlarmBytes: number;
};

/** Prometheus metrics of the API process and of what it sees. */
export type Metrics = ReturnType<typeof createMetrics>;

/**
 * A registry with all metrics; gauges read their sources when they are scraped. While MySQL does not answer,
 * its gauges are left out: the process's own figures are needed most of all then.
 */
export function createMetrics(sources: MetricSources) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "getaredis_api_" });

  /** The same counts, for figures that are kept longer than Prometheus keeps them. */
  const handoutTally = createHandoutTally();
  const handouts = new Counter({
    name: "getaredis_handouts_total",
    help: "POST /instances by how it came out; replayed: a retry that got the known answer",
    labelNames: ["result"],
    registers,
  });
  const handoutSeconds = new Histogram({
    name: "getaredis_handout_duration_seconds",
    help: "Time from request to a PONG seen",
    buckets: [...handoutBuckets],
    registers,
  });
  const hostFailures = new Counter({
    name: "getaredis_host_failures_total",
    help: "Steps of a hand-out that failed on a host",
    labelNames: ["host"],
    registers,
  });
  const viewFaults = new Counter({
    name: "getaredis_fleet_view_faults_total",
    help: "Readings of hosts and heartbeats that failed",
    registers,
  });

  new Gauge({
    name: "getaredis_hosts",
    help: "Hosts by standing",
    labelNames: ["standing"],
    registers,
    collect() {
      this.reset();
      for (const { standing } of sources.standings()) this.inc({ standing });
    },
  });
  new Gauge({
    name: "getaredis_slots",
    help: "Slots of all hosts: those in use, and all",
    labelNames: ["kind"],
    registers,
    collect() {
      const standings = sources.standings();
      this.set({ kind: "in_use" }, sum(standings.map(({ inUse }) => inUse)));
      this.set({ kind: "occupied" }, sum(standings.map(({ occupied }) => occupied)));
      this.set({ kind: "all" }, sum(standings.map(({ host }) => host.capacity)));
    },
  });
  new Gauge({
    name: "getaredis_instances_running",
    help: "Leases that run now",
    registers,
    async collect() {
      const counts = await whileKnown(sources.countHandouts(), "mysql");
      if (counts) this.set(counts.running);
      else this.remove();
    },
  });
  new Gauge({
    name: "getaredis_engine_info",
    help: "1 for each server, redis or valkey, and version that runs in an instance now",
    labelNames: ["engine", "version"],
    registers,
    async collect() {
      const servers = await whileKnown(sources.listServers(), "mysql");
      this.reset();
      for (const { engine, version } of servers ?? []) this.set({ engine, version }, 1);
    },
  });
  new Gauge({
    name: "getaredis_droplets",
    help: "Droplets of the fleet by state",
    labelNames: ["state"],
    registers,
    async collect() {
      const droplets = await whileKnown(sources.listDroplets(), "mysql");
      this.reset();
      for (const { state } of droplets ?? []) this.inc({ state });
    },
  });
  new Gauge({
    name: "getaredis_job_last_success_timestamp_seconds",
    help: "When each job last succeeded, unix time",
    labelNames: ["job"],
    registers,
    async collect() {
      const runs = await whileKnown(sources.listRuns(), "mysql");
      this.reset();
      for (const { job, succeededAt } of runs ?? []) if (succeededAt) this.set({ job }, succeededAt.getTime() / 1000);
    },
  });

  new Gauge({
    name: "getaredis_admission_load_ratio",
    help: "Share of the room in use, as admission counts it: of all slots there may be, or of those kept ready",
    registers,
    async collect() {
      this.set((await sources.readAdmission()).load);
    },
  });
  new Gauge({
    name: "getaredis_proof_of_work_bits",
    help: "Bits of work that a newcomer is asked for now; 0 while there is room",
    registers,
    async collect() {
      this.set((await sources.readAdmission()).bits);
    },
  });
  new Gauge({
    name: "getaredis_transfer_day_bytes",
    help: "Bytes that all instances have sent today (UTC)",
    registers,
    async collect() {
      const transfer = await whileKnown(sources.readTransfer(), "mysql");
      if (transfer) this.set(transfer.dayBytes);
      else this.remove();
    },
  });
  new Gauge({
    name: "getaredis_transfer_alarm_bytes",
    help: "Bytes of a day from which on there is an alarm; 0: never",
    registers,
    collect() {
      this.set(sources.transferAlarmBytes);
    },
  });
  new Gauge({
    name: "getaredis_instances_throttled",
    help: "Running instances that have sent all they may, and answer slowly",
    registers,
    async collect() {
      const transfer = await whileKnown(sources.readTransfer(), "mysql");
      if (transfer) this.set(transfer.throttled);
      else this.remove();
    },
  });

  new Gauge({
    name: "getaredis_instances_misused",
    help: "Running instances that look misused, by the rule that has found them in the last minutes",
    labelNames: ["rule"],
    registers,
    async collect() {
      const counts = await whileKnown(sources.countMisused(), "mysql");
      this.reset();
      for (const { rule, instances } of counts ?? []) this.set({ rule }, instances);
    },
  });

  /** Counts a call for a hand-out. "replayed", a retry that got the known answer, is Prometheus' alone. */
  function countHandout(outcome: HandoutOutcome | "replayed"): void {
    handouts.inc({ result: outcome });
    if (outcome !== "replayed") handoutTally.count(outcome);
  }

  /** Counts the time from a call to its instance's PONG, in seconds. */
  function timeHandout(seconds: number): void {
    handoutSeconds.observe(seconds);
    handoutTally.time(seconds);
  }

  return { registry, countHandout, timeHandout, handoutTally, hostFailures, viewFaults };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
