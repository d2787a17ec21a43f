import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { createMetrics } from "../../apps/api/figures/metrics.ts";
import type { Standing } from "../../apps/core/fleet/standing.ts";

const file = (name: string) => readFile(new URL(`../../infra/monitoring/${name}`, import.meta.url), "utf8");
const rules = await file("alert-rules.yml");
const dashboard = JSON.parse(await file("grafana-dashboard.json")) as {
  panels: {
    id: number;
    title: string;
    gridPos: { x: number; y: number; w: number; h: number };
    targets: { expr: string }[];
  }[];
};
const expressions = [
  ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...[...rules.matchAll(/expr: (?:\|\n)?([\s\S]*?)\n {8}(?:for|labels):/g)].map(([, expr = ""]) => expr),
];

const { registry } = createMetrics({
  version: "1.2.3",
  standings: () => [],
  countHandouts: () => Promise.resolve({ running: 0, startedEver: 0 }),
  listServers: () => Promise.resolve([]),
  readAdmission: () => Promise.resolve({ load: 0, bits: 0 }),
  listWarm: () => Promise.resolve([]),
  countWanted: () => Promise.resolve(0),
  listDroplets: () => Promise.resolve([]),
  listRuns: () => Promise.resolve([]),
  countMisused: () => Promise.resolve([]),
  readTransfer: () => Promise.resolve({ dayBytes: 0, throttled: 0 }),
  transferAlarmBytes: 0,
  hasEdge: false,
  listGateways: () => Promise.resolve([]),
  listServiceReports: () => Promise.resolve([]),
  listAlarms: () => Promise.resolve([]),
  countMessages: () => Promise.resolve([]),
});
const metrics = new Map(
  registry
    .getMetricsAsArray()
    .map((metric) => [metric.name, metric as unknown as { type: string; labelNames: string[] }]),
);

/** Names of metrics in an expression, with the labels that are asked of them. */
function namedIn(expression: string): { name: string; labels: string[] }[] {
  const by = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = ""]) =>
    names.split(",").map((name) => name.trim()),
  );
  return [...expression.matchAll(/\b(getaredis_\w+)(\{[^}]*\})?/g)].map(([, name = "", braces = ""]) => ({
    name,
    labels: [...by, ...[...braces.matchAll(/(\w+)\s*[=!]/g)].map(([, label = ""]) => label)],
  }));
}

describe("infra/monitoring", () => {
  it("names metrics and labels that there are", () => {
    const named = expressions.flatMap(namedIn);
    assert.ok(named.length > 20);
    for (const { name, labels } of named) {
      const base = name.replace(/_(bucket|sum|count)$/, "");
      const metric = metrics.get(name) ?? metrics.get(base);
      assert.ok(metric, `${name} is a metric`);
      assert.equal(metric.type === "histogram", name !== base, `${name} is asked for as the ${metric.type} that it is`);
      for (const label of labels)
        assert.ok(
          metric.labelNames.includes(label) || (label === "le" && metric.type === "histogram"),
          `${name} has the label ${label}`,
        );
    }
  });

  it("has all of the service's own metrics in the dashboard; faults of the view have an alert instead", () => {
    const shown = new Set(
      dashboard.panels.flatMap(({ targets }) =>
        targets.flatMap(({ expr }) => namedIn(expr).map(({ name }) => name.replace(/_bucket$/, ""))),
      ),
    );
    const own = [...metrics.keys()].filter((name) => name.startsWith("getaredis_"));
    assert.deepEqual(
      own.filter((name) => !shown.has(name)),
      ["getaredis_build_info", "getaredis_fleet_view_faults_total"],
    );
    assert.match(rules, /getaredis_fleet_view_faults_total/);
  });

  it("uses no label of its own that Prometheus gives what it scrapes, and that would be renamed for it", () => {
    for (const [name, { labelNames }] of metrics)
      for (const label of ["job", "instance"]) assert.ok(!labelNames.includes(label), `${name} has the label ${label}`);
  });

  it("names standings that hosts have", () => {
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
    for (const [, asked = ""] of expressions.join("\n").matchAll(/standing=~?"([^"]+)"/g))
      for (const name of asked.split("|")) assert.ok(name in standings, name);
  });

  it("tells with each alert what it is and how much it hurts", () => {
    const alerts = rules.split(/^ {6}- alert: /m).slice(1);
    assert.ok(alerts.length >= 8);
    for (const alert of alerts) {
      assert.match(alert, /^[A-Z]\w+\n {8}expr: /);
      assert.match(alert, /labels: \{ severity: (page|warn) \}/);
      assert.match(alert, /summary: .{10,}/);
      assert.match(alert, /description: .{10,}/);
    }
  });

  it("lays the dashboard's panels out beside each other", () => {
    const taken = new Set<string>();
    for (const {
      title,
      gridPos: { x, y, w, h },
    } of dashboard.panels) {
      assert.ok(x + w <= 24, title);
      for (let column = x; column < x + w; column++)
        for (let row = y; row < y + h; row++) {
          assert.ok(!taken.has(`${column} ${row}`), title);
          taken.add(`${column} ${row}`);
        }
    }
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  });
});
