import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { Membership, ServiceReports } from "../../core/edge/contract.ts";
import { gatewayStates, type Gateway } from "../../core/edge/gateway.ts";
import { memberStatesTold, type ServiceReport } from "../../core/edge/service-reports.ts";
import type { HostStanding } from "../../core/fleet/fleet-cache.ts";
import type { Standing } from "../../core/fleet/standing.ts";
import { handoutBuckets, type Beginning, type HandoutOutcome } from "../../core/figures/figures.ts";
import type { ServerVersion } from "../../core/services/server-version.ts";
import type { JobName } from "../../core/events/names.ts";
import type { MessageCount } from "../../core/notifications/contract.ts";
import { channels } from "../../core/notifications/messages.ts";
import type { WarmInstance } from "../../core/warm-pool/contract.ts";
import { whileKnown } from "../../lib/unavailable.ts";
import { createHandoutTally } from "./handout-tally.ts";

/** What the gauges ask when they are read. */
export type MetricSources = {
  /** Version of this service, as package.json has it. */
  readonly version: string;
  readonly standings: () => readonly HostStanding[];
  readonly countHandouts: () => Promise<{ readonly running: number; readonly startedEver: number }>;
  readonly listServers: () => Promise<readonly ServerVersion[]>;
  /** How much of the room is used, from 0 to 1, and the bits of work that a newcomer is asked for. */
  readonly readAdmission: () => Promise<{ readonly load: number; readonly bits: number }>;
  readonly listDroplets: () => Promise<readonly { readonly state: string }[]>;
  readonly listRuns: () => Promise<
    readonly { readonly job: string; readonly startedAt: Date; readonly succeededAt: Date | null }[]
  >;
  /** Instances of the warm pool. */
  readonly listWarm: () => Promise<readonly Pick<WarmInstance, "state">[]>;
  /** How many of them are wanted now; 0 when there is no pool. */
  readonly countWanted: () => Promise<number>;
  /** Running instances that each rule about misuse has found lately. */
  readonly countMisused: () => Promise<readonly { readonly rule: string; readonly instances: number }[]>;
  /** Bytes that all instances have sent today, and how many of them have sent all they may. */
  readonly readTransfer: () => Promise<{ readonly dayBytes: number; readonly throttled: number }>;
  /** Alarms that go on. */
  readonly listAlarms: () => Promise<readonly { readonly kind: string; readonly toldAt: Date | null }[]>;
  readonly countMessages: () => Promise<readonly MessageCount[]>;
  /** Bytes of a day from which on there is an alarm; 0: never. */
  readonly transferAlarmBytes: number;
  /** Whether instances are reached through gateways. */
  readonly hasEdge: boolean;
  /** Gateways that live. */
  readonly listGateways: Membership["list"];
  /** How they carry services besides instances. */
  readonly listServiceReports: ServiceReports["list"];
};

/** All ways in which a call for a hand-out comes out; "replayed": a retry that got the known answer. */
const results: Record<HandoutOutcome | "replayed", true> = {
  created: true,
  replayed: true,
  "lease-out-of-bounds": true,
  "quota-exceeded": true,
  "network-quota-exceeded": true,
  "starts-exceeded": true,
  "kept-for-newcomers": true,
  "work-needed": true,
  "rate-exceeded": true,
  blocked: true,
  paused: true,
  "fleet-unseen": true,
  "no-open-host": true,
  "hosts-failed": true,
  "too-slow": true,
  "no-gateway": true,
  "not-carried": true,
  "idempotency-key-reused": true,
  "idempotency-key-in-progress": true,
  abandoned: true,
  unavailable: true,
  fault: true,
};
const beginnings: readonly Beginning[] = ["warm", "cold"];
const warmStates: readonly WarmInstance["state"][] = ["warming", "warm"];
/** All standings of hosts. */
const standings: Record<Standing, true> = {
  open: true,
  full: true,
  "backing-off": true,
  cordoned: true,
  draining: true,
  silent: true,
  "heartbeat-refused": true,
  "engine-silent": true,
  unreachable: true,
};
/** Jobs that every installation has, told as never run before their first run: one that never starts is seen, too. */
const alwaysTold: readonly JobName[] = ["reap", "reconcile"];
/** Gauges of prom-client that end in _total, which is for counters alone; each has one by type beside it. */
const misnamed = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

/** Prometheus metrics of the API process and of what it sees. */
export type Metrics = ReturnType<typeof createMetrics>;

/**
 * A registry with all metrics; gauges read their sources when they are scraped. While MySQL does not answer,
 * its gauges are left out: the process's own figures are needed most of all then.
 */
export function createMetrics(sources: MetricSources) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of misnamed) registry.removeSingleMetric(name);
  new Gauge({
    name: "getaredis_build_info",
    help: "1, with the version of this service and of Node as labels",
    labelNames: ["version", "node"],
    registers,
  }).set({ version: sources.version, node: process.version }, 1);

  /** The same counts, for figures that are kept longer than Prometheus keeps them. */
  const handoutTally = createHandoutTally();
  const handouts = new Counter({
    name: "getaredis_handouts_total",
    help: "POST /instances by how it came out; replayed: a retry that got the known answer",
    labelNames: ["result"],
    registers,
  });
  // From 0 on: Prometheus takes the first value that it sees of a counter for its beginning.
  for (const result of Object.keys(results)) handouts.inc({ result }, 0);
  const handoutBeginnings = new Counter({
    name: "getaredis_handout_beginnings_total",
    help: "Hand-outs by how they began; warm: an instance was ready, cold: a container had to be started",
    labelNames: ["began"],
    registers,
  });
  for (const began of beginnings) handoutBeginnings.inc({ began }, 0);
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
    collect() {
      for (const { host } of sources.standings()) this.inc({ host: host.name }, 0);
    },
  });
  const warmFailures = new Counter({
    name: "getaredis_warm_failures_total",
    help: "Instances of the warm pool that did not answer a hand-out as they should; it went on without them",
    labelNames: ["host"],
    registers,
    collect() {
      for (const { host } of sources.standings()) this.inc({ host: host.name }, 0);
    },
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
      for (const standing of Object.keys(standings)) this.set({ standing }, 0);
      for (const { standing } of sources.standings()) this.inc({ standing });
    },
  });
  new Gauge({
    name: "getaredis_slots",
    help: "Slots of all hosts: in use, not free, of these held by the warm pool, and all",
    labelNames: ["kind"],
    registers,
    collect() {
      const hosts = sources.standings();
      this.set({ kind: "in_use" }, sum(hosts.map(({ inUse }) => inUse)));
      this.set({ kind: "occupied" }, sum(hosts.map(({ occupied }) => occupied)));
      this.set({ kind: "warm" }, sum(hosts.map(({ warm }) => warm)));
      this.set({ kind: "all" }, sum(hosts.map(({ host }) => host.capacity)));
    },
  });
  new Gauge({
    name: "getaredis_warm_instances",
    help: "Instances of the warm pool; warm: ready for a hand-out, warming: on their way",
    labelNames: ["state"],
    registers,
    async collect() {
      const pool = await whileKnown(sources.listWarm(), "mysql");
      this.reset();
      if (!pool) return;
      for (const state of warmStates) this.set({ state }, 0);
      for (const { state } of pool) this.inc({ state });
    },
  });
  new Gauge({
    name: "getaredis_warm_instances_wanted",
    help: "Instances that the warm pool is to have, by the hand-outs of late and a usual start; 0: there is no pool",
    registers,
    async collect() {
      const wanted = await whileKnown(sources.countWanted(), "mysql");
      if (wanted === undefined) this.remove();
      else this.set(wanted);
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
    help: "When each job last succeeded, unix time; 0: never",
    // Not `job`: that is the label by which Prometheus names what it scrapes.
    labelNames: ["job_name"],
    registers,
    async collect() {
      const runs = await whileKnown(sources.listRuns(), "mysql");
      this.reset();
      if (!runs) return;
      for (const name of alwaysTold) this.set({ job_name: name }, 0);
      for (const { job, succeededAt } of runs) this.set({ job_name: job }, (succeededAt?.getTime() ?? 0) / 1000);
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
    name: "getaredis_proof_of_work_difficulty",
    help: "Leading zero bits of the proof of work that a newcomer is asked for now; 0 while there is room",
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

  new Gauge({
    name: "getaredis_alarms",
    help: "Alarms of the service that go on and have been told, by kind",
    labelNames: ["kind"],
    registers,
    async collect() {
      const alarms = await whileKnown(sources.listAlarms(), "mysql");
      this.reset();
      for (const { kind, toldAt } of alarms ?? []) if (toldAt) this.inc({ kind });
    },
  });
  new Gauge({
    name: "getaredis_notifications",
    help: "Messages to operators that wait to be delivered, and that were given up",
    labelNames: ["channel", "state"],
    registers,
    async collect() {
      const counts = await whileKnown(sources.countMessages(), "mysql");
      this.reset();
      if (!counts) return;
      for (const channel of channels) for (const state of ["waiting", "given-up"]) this.set({ channel, state }, 0);
      for (const { channel, state, messages } of counts) this.set({ channel, state }, messages);
    },
  });

  registerEdge(sources, registers);

  /** Counts a call for a hand-out. "replayed", a retry that got the known answer, is Prometheus' alone. */
  function countHandout(outcome: HandoutOutcome | "replayed"): void {
    handouts.inc({ result: outcome });
    if (outcome !== "replayed") handoutTally.count(outcome);
  }

  /** Counts how a hand-out that succeeded began. */
  function countBeginning(began: Beginning): void {
    handoutBeginnings.inc({ began });
    handoutTally.countBeginning(began);
  }

  /** Counts the time from a call to its instance's PONG, in seconds. */
  function timeHandout(seconds: number): void {
    handoutSeconds.observe(seconds);
    handoutTally.time(seconds);
  }

  return {
    registry,
    countHandout,
    countBeginning,
    timeHandout,
    handoutTally,
    hostFailures,
    warmFailures,
    viewFaults,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** What gateways tell of themselves. While Redis does not answer, it is unknown and left out. */
function registerEdge({ hasEdge, listGateways, listServiceReports }: MetricSources, registers: Registry[]): void {
  /** All that a scrape tells of gateways is asked for once, and all of their services. */
  let asking: ReturnType<Membership["list"]> | undefined;
  const ask = () => (asking ??= listGateways().finally(() => (asking = undefined)));
  let askingReports: ReturnType<ServiceReports["list"]> | undefined;
  const askReports = () => (askingReports ??= listServiceReports().finally(() => (askingReports = undefined)));

  new Gauge({
    name: "getaredis_edge_enabled",
    help: "1 when instances are reached through gateways, 0 when not",
    registers,
  }).set(hasEdge ? 1 : 0);
  new Gauge({
    name: "getaredis_gateways",
    help: "Gateways by state; live: carries all routes, joining: is about to, draining: gets no new clients",
    labelNames: ["state"],
    registers,
    async collect() {
      const gateways = await whileKnown(ask(), "redis");
      this.reset();
      if (!gateways) return;
      for (const state of [...gatewayStates, "unreadable"]) this.set({ state }, 0);
      for (const { state } of gateways) this.inc({ state });
    },
  });

  const gauge = (name: string, help: string, read: (gateway: Gateway) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["gateway"],
      registers,
      async collect() {
        this.reset();
        for (const gateway of await readable()) this.set({ gateway: gateway.name }, read(gateway));
      },
    });
  gauge("getaredis_gateway_routes", "Instances that each gateway leads to", ({ routes }) => routes);
  gauge(
    "getaredis_gateway_route_lag_seconds",
    "Time since each gateway last carried all routes that were kept by then",
    ({ figures }) => figures.lagMs / 1000,
  );
  gauge("getaredis_gateway_connections", "Open connections to instances", ({ connections }) => connections);
  gauge(
    "getaredis_gateway_connections_limit",
    "Connections that each gateway takes at most",
    ({ figures }) => figures.mostConnections,
  );
  gauge(
    "getaredis_gateway_unroutable_instances",
    "Instances that each gateway cannot lead to: their hosts are known by a name and no IP address",
    ({ unroutable = 0 }) => unroutable,
  );
  new Gauge({
    name: "getaredis_service_members",
    help: "Members of services besides instances, by state; unknown: what carries the service does not tell",
    labelNames: ["gateway", "service", "state"],
    registers,
    async collect() {
      this.reset();
      for (const { gateway, name: service, ...members } of await servicesTold())
        for (const state of memberStatesTold) this.set({ gateway, service, state }, members[state]);
    },
  });
  new Gauge({
    name: "getaredis_service_connections",
    help: "Open connections to members of services besides instances",
    labelNames: ["gateway", "service"],
    registers,
    async collect() {
      this.reset();
      for (const { gateway, name: service, connections } of await servicesTold())
        this.set({ gateway, service }, connections);
    },
  });
  new Counter({
    name: "getaredis_service_accepted_total",
    help: "Connections, or requests with HTTP, of services besides instances",
    labelNames: ["gateway", "service"],
    registers,
    async collect() {
      const told = await servicesTold();
      this.reset();
      for (const { gateway, name: service, accepted } of told) this.inc({ gateway, service }, accepted);
    },
  });
  new Counter({
    name: "getaredis_service_bytes_total",
    help: "Bytes of services besides instances, from clients (in) and to them (out)",
    labelNames: ["gateway", "service", "direction"],
    registers,
    async collect() {
      const told = await servicesTold();
      this.reset();
      for (const { gateway, name: service, bytesIn, bytesOut } of told) {
        this.inc({ gateway, service, direction: "in" }, bytesIn);
        this.inc({ gateway, service, direction: "out" }, bytesOut);
      }
    },
  });

  /** They begin at 0 with each start and reload of a gateway's HAProxy, as counters may. */
  const counter = (name: string, help: string, label: string, read: (gateway: Gateway) => Record<string, number>) =>
    new Counter({
      name,
      help,
      labelNames: ["gateway", ...(label === "" ? [] : [label])],
      registers,
      async collect() {
        const gateways = await readable();
        this.reset();
        for (const gateway of gateways)
          for (const [kind, value] of Object.entries(read(gateway)))
            this.inc({ gateway: gateway.name, ...(label !== "" && { [label]: kind }) }, value);
      },
    });
  counter("getaredis_gateway_accepted_total", "Connections accepted", "", ({ figures }) => ({ all: figures.accepted }));
  counter("getaredis_gateway_handshakes_total", "TLS handshakes, by how they came out", "result", ({ figures }) => ({
    done: figures.handshakes,
    failed: figures.failedHandshakes,
  }));
  counter("getaredis_gateway_bytes_total", "Bytes from clients (in) and to them (out)", "direction", ({ figures }) => ({
    in: figures.bytesIn,
    out: figures.bytesOut,
  }));
  counter(
    "getaredis_gateway_reloads_total",
    "Times that HAProxy has read its configuration anew",
    "",
    ({ figures }) => ({
      all: figures.reloads,
    }),
  );

  async function servicesTold(): Promise<readonly (ServiceReport & { readonly gateway: string })[]> {
    const reports = (await whileKnown(askReports(), "redis")) ?? [];
    return reports.flatMap(({ gateway, services }) => services.map((service) => ({ ...service, gateway })));
  }

  async function readable(): Promise<readonly Gateway[]> {
    const gateways = (await whileKnown(ask(), "redis")) ?? [];
    return gateways.filter((gateway) => gateway.state !== "unreadable");
  }
}
