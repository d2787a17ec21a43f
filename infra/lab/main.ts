import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { loadSettings } from "../../apps/core/settings/load.ts";
import type { Lifecycle } from "../../apps/lib/lifecycle.ts";
import { endLeftovers } from "../process/kept-program.ts";
import { becomeOnlyRun } from "../start/only-run.ts";
import { projectPath } from "../process/project-path.ts";
import { stepsUntil } from "../process/progress.ts";
import { runTerminalProgram } from "../process/terminal-program.ts";
import { ensureSystemPackages } from "../servers/system-packages.ts";
import { EDGE_COMMANDS, LAB_COMMANDS } from "./commands.ts";
import { chooseImageServer } from "../servers/redis-image.ts";
import { startLab, type Lab } from "./lab.ts";
import { liveOneLife, type LifeReport } from "./life.ts";
import { readLabOrder, type LabOptions } from "./options.ts";

const SECOND = 1000;
/** Longer than all steps of its stop take together as a rule. */
const STOP_MS = 180 * SECOND;

const order = readLabOrder(process.argv.slice(2));
if (order.kind !== "run") {
  console[order.kind === "help" ? "log" : "error"](order.text);
  process.exit(order.kind === "help" ? 0 : 64);
}

const { options } = order;
await runTerminalProgram((life) => run(options, life), {
  stopped: "Stopped: droplets, servers and networks are gone.",
  forced: "Droplets end with this process; the next start clears up what else is left.",
});

/** Starts the lab, lives a life in it, and stays until it is told to stop. */
async function run(options: LabOptions, { ending, undoLater, untilTold }: Lifecycle): Promise<void> {
  const step = stepsUntil(ending);
  if (process.getuid?.() !== 0) throw new Error("the lab needs root: its droplets are namespaces of the kernel");
  const { service } = loadSettings({ STATE_DIR: process.env["STATE_DIR"] });
  const dir = resolve(projectPath("."), service.stateDir, "lab");
  await mkdir(dir, { recursive: true, mode: 0o711 });
  await becomeOnlyRun(dir);
  const left = await endLeftovers({ pidsDir: join(dir, "pids") }, 2 * SECOND);
  if (left.length > 0) console.log(`✓ ended what an earlier run had left running: ${left.join(", ")}`);
  await step("system packages", async (note) => {
    const more = options.gateways > 0 ? EDGE_COMMANDS : [];
    const installed = await ensureSystemPackages([...LAB_COMMANDS, ...more, await chooseImageServer()]);
    if (installed.length > 0) note(`installed ${installed.join(", ")}`);
  });
  const lab = await step("cloud, MariaDB, Redis, certificates, enrolment, jobs, API", async () => {
    const say = (text: string) => console.log(`! ${text}`);
    const started = await startLab({
      dir,
      port: options.port,
      gateways: options.gateways,
      env: settingsOf(options),
      say,
    });
    undoLater("lab", started.stop, { withinMs: STOP_MS, kill: started.kill });
    return started;
  });
  for (const fault of options.faults) lab.cloud.faults.add(fault);
  introduce(lab, options);

  const startedAt = performance.now();
  const tell = (text: string) =>
    console.log(`${((performance.now() - startedAt) / SECOND).toFixed(1).padStart(6)} s  ${text}`);
  sum(await liveOneLife(lab, options, tell, ending));
  if (options.once) return;
  console.log("The lab keeps running: use the page, or add a fault as shown above. Press Ctrl-C to stop everything.");
  await untilTold();
}

function settingsOf({ slots, cap, standbys, tick, lease }: LabOptions): NodeJS.ProcessEnv {
  return {
    HOST_CAPACITY: String(slots),
    DROPLET_CAP: String(cap),
    STANDBY_HOSTS: String(standbys),
    SCALE_CRON: `*/${tick} * * * * *`,
    LEASE_MAX_SECONDS: String(Math.max(lease, 86_400)),
  };
}

function introduce(lab: Lab, { arrivals, every, lease, slots, cap, standbys }: LabOptions): void {
  const callCloud = `curl -H 'Authorization: Bearer ${lab.env["DIGITALOCEAN_TOKEN"] ?? ""}'`;
  const faultsUrl = new URL("/lab/faults", lab.cloud.url).href;
  console.log(`
The lab is ready: ${standbys} standby wanted, ${slots} slots a host, ${cap} droplets at most.
  page    ${lab.origin}/
  ops     ${lab.origin}/ops with the token ${lab.opsToken}
  cloud   ${callCloud} ${lab.cloud.url}/droplets
  faults  ${callCloud} -H 'Content-Type: application/json' -d '{"kind":"droplet-limit","times":3}' ${faultsUrl}
  logs    ${lab.logsDir}/
${arrivals} instances arrive, one each ${every} s, for ${lease} s. What the fleet decides, and why:
`);
}

function sum({ handedOut, refused, joinSeconds, dropletsMade, most, apiCalls, dropletMb, cut }: LifeReport): void {
  const sorted = [...joinSeconds].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  const joined =
    middle === undefined
      ? "none joined"
      : `${middle.toFixed(1)} s (median), ${(sorted.at(-1) ?? 0).toFixed(1)} s at most`;
  console.log(`
Summary: ${handedOut} instances handed out, ${refused} refused; ${dropletsMade} droplets made, ${most} at once at most.
  from order to a host that takes instances: ${joined}
  calls to the cloud's API: ${apiCalls}; memory of an idle droplet: ${dropletMb.toFixed(0)} MB
${cut === undefined ? "" : `  ${cut}\n`}`);
}
