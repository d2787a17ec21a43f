import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import { createRedisMembership, createRedisServiceReports } from "../../apps/adapters/redis/gateways.ts";
import { handoutBuckets } from "../../apps/core/figures/figures.ts";
import { registerHost } from "../../apps/core/fleet/register-host.ts";
import { gateway } from "../../apps/twins/gateways.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { promtool, startPrometheus, type Alert, type Prometheus, type Sample } from "../bed/prometheus.ts";
import { startService, type Service } from "../bed/service.ts";
import { until } from "../bed/until.ts";

const METRICS_TOKEN = "token-of-the-scraper";
const RULES = projectPath("infra/monitoring/alert-rules.yml");
const dashboard = JSON.parse(await readFile(projectPath("infra/monitoring/grafana-dashboard.json"), "utf8")) as {
  panels: { title: string; targets: { expr: string }[] }[];
};

/** Values of a series, one a minute, in promtool's words. */
type Values = string;
/** What makes an alert fire: series that differ from those of a service that is well, and for how long they must. */
type Situation = {
  readonly alert: string;
  readonly minutes: number;
  readonly series: readonly (readonly [name: string, labels: Readonly<Record<string, string>>, Values])[];
  readonly labels: Readonly<Record<string, string>>;
};

const MINUTES = 120;
const still = (value: number): Values => `${value}+0x${MINUTES}`;
const growing = (step: number): Values => `0+${step}x${MINUTES}`;

const page = { severity: "page" };
const warn = { severity: "warn" };
/** Minutes are those of `for`, and those that the expression looks back before. */
const situations: readonly Situation[] = [
  {
    alert: "ApiDown",
    minutes: 2,
    series: [["up", {}, still(0)]],
    labels: { ...page, job: "getaredis", instance: "INSTANCE" },
  },
  { alert: "NoRoom", minutes: 2, series: [["getaredis_slots", { kind: "occupied" }, still(8)]], labels: page },
  {
    alert: "HostSilent",
    minutes: 2,
    series: [["getaredis_hosts", { standing: "silent" }, still(1)]],
    labels: { ...warn, standing: "silent" },
  },
  {
    alert: "NoHostOpen",
    minutes: 1,
    series: [["getaredis_hosts", { standing: "open" }, still(0)]],
    labels: page,
  },
  {
    alert: "HandoutsFail",
    minutes: 6,
    series: [["getaredis_handouts_total", { result: "hosts-failed" }, growing(1)]],
    labels: page,
  },
  {
    alert: "HandoutsSlow",
    minutes: 11,
    series: handoutBuckets
      .filter((seconds) => seconds < 5)
      .map((seconds) => ["getaredis_handout_duration_seconds_bucket", { le: String(seconds) }, still(0)]),
    labels: warn,
  },
  {
    alert: "HandoutsCold",
    minutes: 16,
    series: [
      ["getaredis_handout_beginnings_total", { began: "warm" }, still(0)],
      ["getaredis_handout_beginnings_total", { began: "cold" }, growing(10)],
    ],
    labels: warn,
  },
  {
    alert: "HostFailing",
    minutes: 6,
    series: [["getaredis_host_failures_total", { host: "host-a" }, growing(1)]],
    labels: { ...warn, host: "host-a" },
  },
  { alert: "FleetUnseen", minutes: 6, series: [["getaredis_fleet_view_faults_total", {}, growing(1)]], labels: page },
  {
    alert: "JobsStopped",
    minutes: 12,
    series: [["getaredis_job_last_success_timestamp_seconds", { job_name: "reap" }, still(0)]],
    labels: { ...page, job_name: "reap" },
  },
  { alert: "TransferHigh", minutes: 0, series: [["getaredis_transfer_day_bytes", {}, still(2e11)]], labels: warn },
  { alert: "InstancesThrottled", minutes: 5, series: [["getaredis_instances_throttled", {}, still(4)]], labels: warn },
  {
    alert: "InstancesMisused",
    minutes: 0,
    series: [["getaredis_instances_misused", { rule: "egress" }, still(1)]],
    labels: { ...warn, rule: "egress" },
  },
  {
    alert: "NotificationsFail",
    minutes: 30,
    series: [["getaredis_notifications", { channel: "mail", state: "waiting" }, still(1)]],
    labels: { ...warn, channel: "mail" },
  },
  {
    alert: "NoGateway",
    minutes: 1,
    series: [
      ["getaredis_edge_enabled", {}, still(1)],
      ["getaredis_gateways", { state: "live" }, still(0)],
    ],
    labels: page,
  },
  {
    alert: "GatewaysFewer",
    minutes: 36,
    series: [["getaredis_gateways", { state: "live" }, `2+0x30 1+0x${MINUTES}`]],
    labels: warn,
  },
  {
    alert: "GatewayBehind",
    minutes: 5,
    series: [["getaredis_gateway_route_lag_seconds", {}, still(2.5)]],
    labels: { ...warn, gateway: "gw-1" },
  },
  {
    alert: "GatewayFull",
    minutes: 5,
    series: [["getaredis_gateway_connections", {}, still(950)]],
    labels: { ...warn, gateway: "gw-1" },
  },
  {
    alert: "HandshakesFail",
    minutes: 12,
    series: [["getaredis_gateway_handshakes_total", { result: "failed" }, growing(60)]],
    labels: { ...warn, gateway: "gw-1" },
  },
  {
    alert: "ServiceDown",
    minutes: 1,
    series: [
      ["getaredis_service_members", { state: "up" }, still(0)],
      ["getaredis_service_members", { state: "retired" }, still(1)],
    ],
    labels: { ...page, service: "web", gateway: "gw-1" },
  },
  {
    alert: "MemberRetired",
    minutes: 5,
    series: [["getaredis_service_members", { state: "retired" }, still(1)]],
    labels: { ...warn, service: "web" },
  },
  {
    alert: "InstancesUnroutable",
    minutes: 2,
    series: [["getaredis_gateway_unroutable_instances", {}, still(3)]],
    labels: { ...warn, gateway: "gw-1" },
  },
  {
    alert: "DropletsStuck",
    minutes: 20,
    series: [["getaredis_droplets", { state: "booting" }, still(1)]],
    labels: { ...warn, state: "booting" },
  },
];

/** A real Prometheus scrapes the real service: labels are as Prometheus makes them. */
describe("Prometheus", () => {
  let service: Service;
  let dir: string;
  let prometheus: Prometheus;
  let alertmanager: Server;
  /** Alerts that Prometheus has sent to its Alertmanager. */
  const sent: Pick<Alert, "labels" | "annotations">[] = [];
  let scraped: Sample[];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-monitoring-"));
    service = await startService({
      env: { METRICS_TOKEN, HOST_BACKOFF_SECONDS: "1", QUOTA_PER_ADDRESS: "100" },
      capacity: 100,
    });
    await tellOfGateway(service);
    alertmanager = createServer((request, reply) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        if (request.url === "/api/v2/alerts") sent.push(...(JSON.parse(body) as typeof sent));
        reply.end("{}");
      });
    });
    alertmanager.listen(0, "127.0.0.1");
    await once(alertmanager, "listening");
    prometheus = await startPrometheus(await settingsOf("1s"));
    const isSeen = async (result: string) => {
      const [rate] = await prometheus.query(`rate(getaredis_handouts_total{result="${result}"}[1m]) > 0`);
      return rate !== undefined;
    };
    // A rate takes a change between two scrapes.
    await until("a hand-out is seen", async () => {
      await handOut(service);
      return isSeen("created");
    });
    await makeTrouble(service);
    await until("hand-outs that fail are seen", async () => {
      await handOut(service);
      return isSeen("hosts-failed");
    });
    scraped = await prometheus.query('{job="getaredis"}');
  });
  after(async () => {
    try {
      await prometheus.stop();
      alertmanager.close();
    } finally {
      // It would run on, and the test with it, when the others have not begun.
      await service.stop();
      await rm(dir, { recursive: true });
    }
  });

  it("is told metrics that follow its conventions", async () => {
    const answer = await fetch(`${service.origin}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
    assert.equal(await promtool(["check", "metrics"], await answer.text()), "");
  });

  it("renames no label of what it scrapes", () => {
    assert.ok(scraped.length > 100);
    for (const { metric } of scraped)
      for (const label of Object.keys(metric)) assert.ok(!label.startsWith("exported_"), `${metric["__name__"]}`);
  });

  it("is told which version of the service and of Node it scrapes", async () => {
    const [info] = scraped.filter(({ metric }) => metric["__name__"] === "getaredis_build_info");
    const { version } = JSON.parse(await readFile(projectPath("package.json"), "utf8")) as { version: string };
    assert.deepEqual([info?.value, info?.metric["version"], info?.metric["node"]], [1, version, process.version]);
  });

  it("gives each panel of the dashboard data", async () => {
    for (const { title, targets } of dashboard.panels)
      for (const { expr } of targets)
        await until(`"${title}" has a value for ${expr}`, async () =>
          (await prometheus.query(expr)).some(({ value }) => Number.isFinite(value)),
        );
  });

  it("has each alert fire in its situation, after its time, and none while the service is well", async () => {
    const names = new Set(
      [...(await readFile(RULES, "utf8")).matchAll(/- alert: (\w+)/g)].map(([, name = ""]) => name),
    );
    assert.deepEqual(new Set(situations.map(({ alert }) => alert)), names);
    const file = join(dir, "tests.json");
    await writeFile(file, JSON.stringify({ rule_files: [RULES], tests: ruleTests(scraped) }));
    assert.match(await promtool(["test", "rules", file]), /SUCCESS/);
  });

  it("sends an alert when the process that runs the jobs is gone, and shows for how long each has not run", async () => {
    const fires = async () => (await prometheus.alerts()).find(({ labels }) => labels["alertname"] === "JobsStopped");
    await until("the jobs have run", async () => (await fires()) === undefined, 30_000);
    const sentBefore = sent.length;
    const toldOfReap = () =>
      sent
        .slice(sentBefore)
        .find(({ labels }) => labels["alertname"] === "JobsStopped" && labels["job_name"] === "reap");
    await service.endJobs("SIGKILL");
    // As it is when eleven minutes have passed.
    await sql(service, "UPDATE job_runs SET succeeded_at = succeeded_at - INTERVAL 11 MINUTE");
    const told = await until("the alert is sent", toldOfReap);
    assert.equal(told.labels["severity"], "page");
    assert.match(told.annotations["summary"] ?? "", /^Job reap has not succeeded for 11m \d+s$/);
    const panel = dashboard.panels.find(({ title }) => title === "Time since each job succeeded");
    const shown = await prometheus.query(panel?.targets[0]?.expr ?? "");
    assert.ok((shown.find(({ metric }) => metric["job_name"] === "reap")?.value ?? 0) > 660);
    service.startJobs();
    await until("the alert is over", async () => (await fires()) === undefined, 30_000);
  });

  it("sends alerts of a host whose heartbeat does not arrive, of hand-outs that fail, and of an API that is gone", async () => {
    await service.endApi("SIGKILL");
    for (const name of ["HostSilent", "HandoutsFail", "ApiDown"])
      await until(`${name} is sent`, () => sent.some(({ labels }) => labels["alertname"] === name));
  });

  /**
   * A file with the settings that README.md gives, for the ports and files here; its alerts wait for nothing.
   * @param interval between two scrapes, and two evaluations of the rules
   */
  async function settingsOf(interval: string): Promise<string> {
    const readme = await readFile(projectPath("infra/monitoring/README.md"), "utf8");
    const [, settings = ""] = /```yaml\n(global:[^]*?)```/.exec(readme) ?? [];
    const rules = join(dir, "rules.yml");
    const token = join(dir, "token");
    await writeFile(rules, (await readFile(RULES, "utf8")).replace(/^ {8}for: .*\n/gm, ""));
    await writeFile(token, `${METRICS_TOKEN}\n`);
    const file = join(dir, "prometheus.yml");
    const { port } = alertmanager.address() as AddressInfo;
    await writeFile(
      file,
      settings
        .replaceAll("15s", interval)
        .replace("127.0.0.1:8080", new URL(service.origin).host)
        .replace("127.0.0.1:9093", `127.0.0.1:${port}`)
        .replace("/etc/prometheus/getaredis-token", token)
        .replace("/etc/prometheus/getaredis-alerts.yml", rules),
    );
    assert.match(await promtool(["check", "config", file]), /SUCCESS: [^]*SUCCESS: \d+ rules found/);
    return file;
  }
});

async function handOut(service: Service): Promise<{ id: string }> {
  const answer = await fetch(`${service.origin}/instances`, { method: "POST" });
  return (await answer.json()) as { id: string };
}

/** Tells of a gateway that carries a service, as one that lives does: so that all series exist. */
async function tellOfGateway(service: Service): Promise<void> {
  const redis = new Redis(service.services.redisUrl);
  const web = { name: "web", port: 443, protocol: "http" as const, names: ["www.example.org"], members: [] };
  const counts = { up: 1, retired: 0, draining: 0, unknown: 0 };
  const traffic = { connections: 1, accepted: 1, bytesIn: 1, bytesOut: 1 };
  const services = [{ ...web, ...counts, ...traffic }];
  await createRedisMembership(redis).join(gateway("gw-1"), 600_000);
  await createRedisServiceReports(redis).tell({ gateway: "gw-1", serviceCount: 1, services }, 600_000);
  redis.disconnect();
}

/** Hand-outs fail from now on, a host is silent, a droplet boots, an instance is misused: so that all series exist. */
async function makeTrouble(service: Service): Promise<void> {
  const [host = assert.fail("there is no host")] = service.hosts;
  const { id } = await handOut(service);
  const now = new Date();
  await service.store.misuse.keep(id, { rule: "egress", value: 9, bound: 5 }, now, 180_000);
  await service.store.transfers.keep(new Map([[id, 1_000_000]]), now);
  await sql(
    service,
    `INSERT INTO droplets (name, state, droplet_id, region, size, ordered_at, token_hash)
     VALUES ('droplet-1', 'booting', 1, 'fra1', 's-1vcpu-2gb', UTC_TIMESTAMP(3), REPEAT('0', 32))`,
  );
  const silent = {
    name: "host-b",
    engineUrl: "tcp://127.0.0.1:1",
    publicHost: "127.0.0.1",
    checkHost: "127.0.0.1",
    bindAddress: "127.0.0.1",
    capacity: 8,
    basePort: 30_000,
  };
  await registerHost({ store: service.store, clock: () => now }, silent);
  // Without the image no hand-out succeeds, and the heartbeat goes on.
  await host.docker.getImage(host.image).remove({ force: true });
}

async function sql(service: Service, statement: string): Promise<void> {
  const connection = await createConnection({ uri: service.env["MYSQL_URL"] ?? "" });
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}

/** Tests for promtool, out of all series as they were scraped: one of a service that is well, and one an alert. */
function ruleTests(scraped: readonly Sample[]): unknown[] {
  const lookAt = (minutes: number, alerts: readonly { labels: string; value: number }[]) => ({
    expr: 'ALERTS{alertstate="firing"}',
    eval_time: `${minutes}m`,
    exp_samples: alerts,
  });
  const well = seriesOf(scraped, []);
  return [
    { interval: "1m", input_series: well, promql_expr_test: [lookAt(30, []), lookAt(90, [])] },
    ...situations.map(({ alert, minutes, series, labels }) => {
      const instance = scraped[0]?.metric["instance"] ?? "";
      const all = { alertname: alert, alertstate: "firing", ...labels };
      const text = Object.entries(all).map(([name, value]) => `${name}="${value.replace("INSTANCE", instance)}"`);
      const fired = [{ labels: `ALERTS{${text.join(", ")}}`, value: 1 }];
      return {
        interval: "1m",
        input_series: seriesOf(scraped, series),
        promql_expr_test: [...(minutes > 0 ? [lookAt(minutes - 1, [])] : []), lookAt(minutes, fired)],
      };
    }),
  ];
}

/** The series that were scraped, with values of a service that is well but for some. */
function seriesOf(
  scraped: readonly Sample[],
  changed: Situation["series"],
): { readonly series: string; readonly values: Values }[] {
  const own = scraped.filter(({ metric }) => /^(up$|getaredis_)/.test(metric["__name__"] ?? ""));
  for (const [name, labels] of changed)
    assert.ok(
      own.some(({ metric }) => matches(metric, name, labels)),
      `${name} ${JSON.stringify(labels)} was scraped`,
    );
  return own.map(({ metric, value }) => {
    const { __name__: name = "", ...labels } = metric;
    const change = changed.find(([changedName, changedLabels]) => matches(metric, changedName, changedLabels));
    const inBraces = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
    return { series: `${name}{${inBraces.join(", ")}}`, values: change?.[2] ?? wellValues(name, labels, value) };
  });
}

function matches(metric: Sample["metric"], name: string, labels: Readonly<Record<string, string>>): boolean {
  return metric["__name__"] === name && Object.entries(labels).every(([label, text]) => metric[label] === text);
}

function wellValues(name: string, labels: Readonly<Record<string, string>>, value: number): Values {
  switch (name) {
    case "up":
      return still(1);
    case "getaredis_hosts":
      return still(labels["standing"] === "open" ? 1 : 0);
    case "getaredis_slots":
      return still(labels["kind"] === "all" ? 8 : labels["kind"] === "warm" ? 0 : 1);
    case "getaredis_handouts_total":
      return labels["result"] === "created" ? growing(1) : still(0);
    case "getaredis_handout_beginnings_total":
      return labels["began"] === "warm" ? growing(1) : still(0);
    case "getaredis_warm_instances_wanted":
      return still(2);
    case "getaredis_handout_duration_seconds_bucket":
    case "getaredis_handout_duration_seconds_count":
      return growing(1);
    case "getaredis_host_failures_total":
    case "getaredis_warm_failures_total":
    case "getaredis_fleet_view_faults_total":
    case "getaredis_droplets":
    case "getaredis_instances_misused":
    case "getaredis_instances_throttled":
    case "getaredis_notifications":
      return still(0);
    case "getaredis_job_last_success_timestamp_seconds":
      return growing(60);
    default:
      return still(value);
  }
}
