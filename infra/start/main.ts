import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { registerHost } from "../../apps/core/fleet/register-host.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";
import type { Lifecycle } from "../../apps/lib/lifecycle.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { capacityOf } from "../../apps/core/settings/hosts.ts";
import type { Settings } from "../../apps/core/settings/settings.ts";
import { inUrl } from "../../apps/lib/url-host.ts";
import { boxAddresses, checkPort, engineElsewhere } from "./addresses.ts";
import { asRoot } from "../process/as-root.ts";
import { PORT_MAP, startPrograms, TRANSFER, type Box } from "./box-programs.ts";
import { prepareEdge, type BoxEdge } from "./box-edge.ts";
import { dockerClient, findEngine } from "../servers/docker-client.ts";
import { takeEnvFile } from "./env-file.ts";
import { checkConfigured, ensureEngine, ensureMysql, ensureRedis, neededCommands } from "./box-servers.ts";
import { keepImage } from "./kept-image.ts";
import { endLeftovers } from "../process/kept-program.ts";
import { keptSecret } from "../servers/kept-secret.ts";
import { becomeOnlyRun } from "./only-run.ts";
import { projectPath } from "../process/project-path.ts";
import { chooseImageServer, ensureRedisImage, isLocalImage } from "../servers/redis-image.ts";
import { stepsUntil } from "../process/progress.ts";
import { runTerminalProgram } from "../process/terminal-program.ts";
import { updatePackageLists, upgradeServers } from "../servers/package-updates.ts";
import { ensureSystemPackages } from "../servers/system-packages.ts";

const run = promisify(execFile);
const IMAGE_TIMEOUT_MS = 60_000;
const FIREWALL = projectPath("infra/host/firewall.sh");
/** Name of this machine among the hosts; in single-box mode there is no other. */
const HOST_NAME = "box";

await runTerminalProgram(
  async (life) => {
    await start(life);
    await life.untilTold();
  },
  { stopped: "Stopped.", forced: "Everything was killed; the next start clears up what is left." },
);

/** Brings up everything of single-box mode, each thing with the step that undoes it. */
async function start(life: Lifecycle): Promise<void> {
  const { ending, undoLater } = life;
  const step = stepsUntil(ending);
  for (const warning of await takeEnvFile(projectPath(".env"))) console.log(`! ${warning}`);
  const settings = loadSettings(process.env);
  const { service, http, instances, cloud, edge: edgeSettings } = settings;
  // Its jobs would end at once: what a fleet needs besides is not here.
  if (cloud)
    throw new Error(
      "DIGITALOCEAN_TOKEN is set, but `npm start` runs a single box without a fleet: leave it out, " +
        "or set up a fleet as infra/deploy/README.md tells",
    );
  const stateDir = resolve(projectPath("."), service.stateDir);
  const places = {
    compiledDir: join(stateDir, "compiled"),
    logsDir: join(stateDir, "logs"),
    pidsDir: join(stateDir, "pids"),
    logFileMb: http.logFileMb,
  };
  await mkdir(stateDir, { recursive: true, mode: 0o711 });
  await becomeOnlyRun(stateDir);
  const left = await endLeftovers(places, service.shutdownMs);
  if (left.length > 0) console.log(`✓ ended what an earlier run had left running: ${left.join(", ")}`);
  const port = await checkPort(service.host, service.port);

  const foundEngine = await findEngine(service.dockerHost);
  await checkConfigured(settings, ending);
  const packageWarnings = await step("system packages", async (note) => {
    const oldLists = await updatePackageLists(new Date());
    const imageServer = isLocalImage(instances.image) ? await chooseImageServer() : undefined;
    const needed = neededCommands(settings, foundEngine, imageServer);
    const installed = await ensureSystemPackages(needed);
    const { upgraded, warnings } = await upgradeServers(needed);
    const done = [
      ...(installed.length > 0 ? [`installed ${installed.join(", ")}`] : []),
      ...(upgraded.length > 0 ? [`upgraded ${upgraded.join(", ")}`] : []),
    ];
    if (done.length > 0) note(done.join("; "));
    return [...(oldLists === undefined ? [] : [oldLists]), ...warnings];
  });
  for (const warning of packageWarnings) console.log(`! ${warning}`);
  if (service.dockerHost === undefined && foundEngine !== undefined)
    console.log(`✓ Docker Engine at ${foundEngine}: already there, used as it is`);
  const mysqlUrl = await ensureMysql(life, service.mysqlUrl, stateDir);
  const redisUrl = await ensureRedis(life, service.redisUrl, stateDir);
  // Before the first container can run, and taken away after the last one is gone.
  const keepsFirewall = foundEngine !== undefined;
  if (engineElsewhere(foundEngine ?? "unix:") === undefined) {
    await step("firewall: instances can be connected to, and cannot connect to anything", async () => {
      await firewall("up", instances);
      if (!keepsFirewall) undoLater("firewall", () => firewall("down", instances));
    });
  } else {
    console.log(
      "! DOCKER_HOST is another machine: run firewall.sh up, transfer.sh watch, port-map.sh watch, expire.sh and janitor.sh of infra/host there",
    );
  }
  const engineUrl = await ensureEngine(life, foundEngine, stateDir);
  const image = await step("Redis image", async (note) => {
    const reference = await ensureRedisImage(dockerClient(engineUrl, IMAGE_TIMEOUT_MS), instances.image);
    note(reference);
    return reference;
  });
  undoLater("image check", keepImage(dockerClient(engineUrl), image, (text) => console.log(`! ${text}`)).stop, {
    withinMs: IMAGE_TIMEOUT_MS,
  });
  const addresses = await boxAddresses({
    host: service.host,
    publicHost: service.publicHost,
    engineUrl,
    isBehindEdge: edgeSettings.domain !== undefined,
  });
  const edge = await prepareEdge(settings, process.env, { stateDir, ...addresses, now: new Date() });
  if (edge) await checkPort(edge.host, edge.port, "EDGE_");
  await step("database schema", async (note) => {
    const done = await migrate(mysqlUrl);
    note(done.length === 0 ? "up to date" : `${done.length} ${done.length === 1 ? "migration" : "migrations"}`);
    // Of the machine that the engine is on, which DOCKER_HOST may have elsewhere.
    const { MemTotal: bytes } = (await dockerClient(engineUrl).info()) as { MemTotal: number };
    const capacity = capacityOf(settings, "box", Math.floor(bytes / 1024 ** 2));
    await register(mysqlUrl, { capacity, basePort: settings.hosts.basePort }, { engineUrl, ...addresses });
  });

  const opsTokenFile = join(stateDir, "ops-token");
  const [opsToken, serverSecret] = await Promise.all([
    service.opsToken ?? keptSecret(opsTokenFile),
    service.serverSecret ?? keptSecret(join(stateDir, "server-secret")),
  ]);
  // What stays on this machine costs nobody anything, and leaves the line to others.
  const boundsTransfer = engineElsewhere(engineUrl) === undefined && !isLoopback(edge?.host ?? addresses.bindAddress);
  if (boundsTransfer && !keepsFirewall) undoLater("transfer rules", () => runAsRoot("bash", TRANSFER, "down"));
  const portMapDir = join(stateDir, "port-map");
  if (engineElsewhere(engineUrl) === undefined)
    undoLater("balanced ports", () => runAsRoot("env", `PORT_MAP_DIR=${portMapDir}`, "bash", PORT_MAP, "down"));
  const box: Box = {
    name: HOST_NAME,
    publicIp: addresses.publicIp,
    port,
    mysqlUrl,
    redisUrl,
    engineUrl,
    image,
    opsToken,
    serverSecret,
    boundsTransfer,
    portMapDir,
    edge,
  };
  await step(`heartbeat, expiry, janitor, ${edge ? "gateway, " : ""}jobs, API`, () =>
    startPrograms(life, settings, box, places),
  );

  // What is no terminal is mostly a log, which more people read than may operate this.
  const tokenShown = process.stdout.isTTY
    ? opsToken
    : service.opsToken === undefined
      ? `in ${shortened(opsTokenFile)}`
      : "in OPS_TOKEN";
  const url = `http://${inUrl(addresses.pageHost)}:${port}`;
  console.log(`
Get a Redis is ready.
  page    ${url}/
  curl    curl -X POST ${url}/instances
  ops     ${url}/ops with the token ${tokenShown}${edge ? `\n  edge    ${edgeShown(edge)}` : ""}
  logs    ${shortened(places.logsDir)}/
Press Ctrl-C to stop everything.`);
  if (edge?.caFile !== undefined)
    console.log(
      `! its certificate is one of our own: give clients ${shortened(edge.caFile)}, as with redis-cli --cacert, or set ` +
        "EDGE_CERT_DIR",
    );
  const open = [
    ...(addresses.isPageOpen ? ["the page and the operator's API"] : []),
    ...(addresses.bindAddress === "0.0.0.0" ? ["instances"] : []),
  ];
  if (open.length > 0)
    console.log(`! ${open.join(" and ")} can be reached from the network, and traffic is not encrypted`);
  // The table is the whole machine's, which is not ours alone: a droplet's set-up changes it, this does not.
  if (boundsTransfer)
    console.log(
      "! the kernel's table of connections keeps its size: to make room for many, run infra/host/conntrack.sh as root",
    );
}

function edgeShown({ domain, host, port }: BoxEdge): string {
  return `rediss://….${domain}:${port}, for names under ${domain} that lead to ${host}`;
}

async function register(
  mysqlUrl: string,
  { capacity, basePort }: { capacity: number; basePort: number },
  box: { engineUrl: string; publicHost: string; checkHost: string; bindAddress: string },
): Promise<void> {
  const store = createMysqlStore(mysqlUrl);
  try {
    await registerHost(
      { store, clock: () => new Date() },
      {
        name: HOST_NAME,
        engineUrl: box.engineUrl,
        publicHost: box.publicHost,
        checkHost: box.checkHost,
        bindAddress: box.bindAddress,
        capacity,
        basePort,
      },
    );
  } finally {
    await store.disconnect();
  }
}

async function firewall(direction: "up" | "down", instances: Settings["instances"]): Promise<void> {
  const { connectionsPerAddress, loginSeconds, loginKb, loginsPending } = instances;
  // By env: sudo lets no environment through.
  const said = await runAsRoot(
    "env",
    `CONNECTIONS_PER_ADDRESS=${connectionsPerAddress}`,
    `LOGIN_SECONDS=${loginSeconds}`,
    `LOGIN_KB=${loginKb}`,
    `LOGINS_PENDING=${loginsPending}`,
    "sh",
    FIREWALL,
    direction,
  );
  // What it does not bound on this kernel.
  if (said !== "") console.log(`! ${said}`);
}

/** Returns what the command wrote to standard error. */
async function runAsRoot(command: string, ...args: string[]): Promise<string> {
  return (await run(...(await asRoot(command, args)))).stderr.trim();
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

function shortened(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}
