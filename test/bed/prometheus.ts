import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../infra/process/free-port.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { startServerProcess } from "../../infra/process/server-process.ts";
import { APT_GET, runApt } from "../../infra/servers/system-packages.ts";

const run = promisify(execFile);
/** Unpacked and not installed: a package of Prometheus starts a service, and brings scripts for a page nobody opens. */
const DIR = projectPath(".getaredis/test-packages/prometheus");
const PROMETHEUS = join(DIR, "usr/bin/prometheus");
/** Prometheus' own tool, which checks rules, settings and metrics. */
export const PROMTOOL = join(DIR, "usr/bin/promtool");
/** Fetches the package into a folder and unpacks it there, the folder appearing whole or not at all. */
const UNPACK = `
set -eu
rm -rf "$1.new" && mkdir -p "$1.new" && cd "$1.new"
sh "$2" download --quiet prometheus
dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb
rm -rf "$1" && mv "$1.new" "$1"
`;

/** A series as Prometheus keeps it: name and labels, those that it adds to what it scrapes among them. */
export type Sample = { readonly metric: Readonly<Record<string, string>>; readonly value: number };

/** An alert that waits for its time to be over, or fires. */
export type Alert = {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: "pending" | "firing";
};

/** A real Prometheus. */
export interface Prometheus {
  /** Result of an expression now. */
  query: (expression: string) => Promise<Sample[]>;
  alerts: () => Promise<Alert[]>;
  stop: () => Promise<void>;
}

/** Fetches Debian's package of Prometheus, unless it is there from an earlier run. */
export async function fetchPrometheus(): Promise<void> {
  if (
    await access(PROMTOOL).then(
      () => true,
      () => false,
    )
  )
    return;
  await mkdir(projectPath(".getaredis/test-packages"), { recursive: true });
  const unpack = () => runApt(["-c", UNPACK, "unpack", DIR, APT_GET]);
  await unpack().catch(async () => {
    await runApt([APT_GET, "update"]);
    await unpack();
  });
}

/** Starts a Prometheus with a file of settings and resolves when it is ready. The caller stops it. */
export async function startPrometheus(configFile: string): Promise<Prometheus> {
  const dir = await mkdtemp(join(tmpdir(), "getaredis-prometheus-"));
  const origin = `http://127.0.0.1:${await freePort()}`;
  const server = await startServerProcess({
    name: "prometheus",
    command: PROMETHEUS,
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(dir, "data")}`,
      `--web.listen-address=${new URL(origin).host}`,
      "--log.level=warn",
    ],
    logFile: join(dir, "log"),
    probe: async () => {
      const answer = await fetch(`${origin}/-/ready`);
      if (!answer.ok) throw new Error(await answer.text());
    },
  });

  async function ask<Data>(path: string): Promise<Data> {
    const answer = await fetch(`${origin}/api/v1/${path}`);
    const body = (await answer.json()) as { status: string; error?: string; data: Data };
    if (body.status !== "success") throw new Error(`${path}: ${body.error ?? answer.status}`);
    return body.data;
  }

  return {
    query: async (expression) => {
      type Vector = { result: { metric: Record<string, string>; value: [number, string] }[] };
      const { result } = await ask<Vector>(`query?query=${encodeURIComponent(expression)}`);
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
    },
    alerts: async () => (await ask<{ alerts: Alert[] }>("alerts")).alerts,
    stop: async () => {
      await server.stop();
      await rm(dir, { recursive: true });
    },
  };
}

/** Runs promtool, and resolves with what it says; rejects with that when it finds a fault. */
export async function promtool(args: readonly string[], input = ""): Promise<string> {
  const running = run(PROMTOOL, args);
  running.child.stdin?.end(input);
  const { stdout, stderr } = await running.catch((cause: unknown) => {
    const said = cause as { readonly stdout: string; readonly stderr: string };
    throw new Error(`promtool ${args.join(" ")}:\n${said.stdout}${said.stderr}`, { cause });
  });
  return stdout + stderr;
}
