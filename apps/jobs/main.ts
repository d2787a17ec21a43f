import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { schedule as scheduleCron } from "node-cron";
import { nanoid } from "nanoid";
import { pino } from "pino";
import { createDigitalOceanCloud } from "../adapters/digitalocean/index.ts";
import { createContainers } from "../adapters/docker/containers.ts";
import { createDockerEngines } from "../adapters/docker/engines.ts";
import { SCALING } from "../core/fleet/scaling.ts";
import { readHostFiles } from "../adapters/host-files/host-files.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { createLeadership } from "../adapters/mysql/leadership.ts";
import { clientTlsIn } from "../adapters/pki/pki-files.ts";
import type { ClientTls } from "../lib/tls.ts";
import { readClientUsage } from "../adapters/redis/client-usage.ts";
import { createRedisDiscovery, openRedis } from "../adapters/redis/discovery.ts";
import { createRedisMembership, createRedisRouteNews } from "../adapters/redis/gateways.ts";
import { createAnnouncerUsers } from "../adapters/redis/announcer-users.ts";
import { createGatewayUsers } from "../adapters/redis/gateway-users.ts";
import { createHeartbeatUsers } from "../adapters/redis/heartbeat-users.ts";
import { onRunRequested } from "../adapters/redis/notifications.ts";
import { createPortMaps } from "../adapters/redis/port-maps.ts";
import { waitForPong } from "../adapters/redis/probe.ts";
import { createMail } from "../adapters/smtp/mail.ts";
import { createWebhook } from "../adapters/webhook/webhook.ts";
import { createPortFollower } from "../core/ports/follow-ports.ts";
import { createFleetCache } from "../core/fleet/fleet-cache.ts";
import { createEdgeRoutes } from "../core/edge/edge-routes.ts";
import { edgeOf } from "../core/settings/edge.ts";
import type { DeliverPorts } from "../core/notifications/deliver.ts";
import { notifyRules } from "../core/settings/notifications.ts";
import { keepStrangersOut } from "../adapters/redis/strangers.ts";
import { misuseRules } from "../core/settings/operator.ts";
import { loadSettings } from "../core/settings/load.ts";
import { keepWarmRules } from "../core/settings/warm-pool.ts";
import { realRandom } from "../lib/random.ts";
import { realTime } from "../lib/time.ts";
import { inLog, runProgram, type Lifecycle } from "../lib/lifecycle.ts";
import { FLEET_NEEDS, fleetPorts, type FleetNeeds } from "./fleet.ts";
import { createRunner } from "./runner.ts";
import { schedule, type FleetJobPorts } from "./schedule.ts";

const SECOND = 1000;
const REQUEST_PAUSE_MS = 5 * SECOND;
const CLOUD_TIMEOUT_MS = 10 * SECOND;
/** Of a call and its repetitions: the next step of the scaling asks again anyway. */
const CLOUD_BUDGET_MS = 15 * SECOND;
/** A pull of some tens of megabytes, on a small droplet. */
const IMAGE_TIMEOUT_MS = 120 * SECOND;

/** A longer list is refused: it would be held in memory whole. */
const MOST_LIST_BYTES = 8 * 1024 * 1024;

const settings = loadSettings(process.env, ["MYSQL_URL", "REDIS_URL", "SERVER_SECRET", "INSTANCE_IMAGE"], FLEET_NEEDS);
// Errors of Redis clients carry the command that failed, and with a login the password in it.
const logger = pino({ name: "jobs", level: settings.service.logLevel, redact: ["err.command.args"] });
const { clock } = realTime;

await runProgram(work, inLog(logger));

/** Runs jobs when they are due or requested, until it is told to stop; then lets running ones finish. */
async function work({ undoLater, untilTold }: Lifecycle): Promise<void> {
  const store = createMysqlStore(settings.service.mysqlUrl);
  undoLater("database", store.disconnect);
  const { pkiDir } = settings.enrolment;
  const clientTls = pkiDir === undefined ? undefined : clientTlsIn(pkiDir, () => performance.now());
  const engines = createDockerEngines(settings.hosts.engineTimeoutMs, clientTls);
  const containers = createContainers(engines, settings.ports.pullMs);
  const redis = connectRedis();
  const listener = connectRedis();
  // The first run of a job should not fail only because Redis is not connected yet.
  await once(redis, "ready", { signal: AbortSignal.timeout(2 * SECOND) }).catch(() => undefined);
  const { readHeartbeats } = createRedisDiscovery(redis);
  const fleet = settings.cloud && clientTls ? await joinFleet(settings, clientTls) : undefined;
  const jobs = schedule(
    settings.jobs,
    {
      misuse: misuseRules(settings.operator, settings.instances, settings.service),
      notify: notifyRules(settings.notifications),
      warm: keepWarmRules(settings),
      transferBytes: settings.instances.transferBytes,
    },
    {
      store,
      engines,
      ...realTime,
      random: realRandom,
      probe: waitForPong,
      workloads: { store, engines: containers, clock },
      announcers: { store, users: createAnnouncerUsers(redis, settings.service.serverSecret) },
      readHeartbeats,
      readBlockList,
      readClientUsage,
      fleet: createFleetCache({ listChanged: store.hosts.listChanged, readHeartbeats }, settings.hosts),
      newMessageId: () => `msg_${nanoid()}`,
      edge:
        edgeOf(settings) &&
        createEdgeRoutes(
          {
            ...realTime,
            gateways: createRedisMembership(redis),
            news: createRedisRouteNews(redis, listener),
            onFault: (instance, fault) => logger.warn({ instance, err: fault }, "route is not settled"),
          },
          settings.edge,
        ),
      send: sendersOf(settings.notifications),
      chance: Math.random,
    },
    fleet,
    logger,
  );
  const runner = createRunner(store, clock, logger, REQUEST_PAUSE_MS);
  undoLater("jobs at work", runner.stop, {
    withinMs: settings.service.shutdownMs,
    ifLate: "the next run goes on where they stopped",
  });
  onRunRequested(listener, (name) => {
    const job = jobs.find((each) => each.name === name);
    if (job) void runner.requestRun(job);
  });
  const tasks = jobs.map((job) => scheduleCron(job.cron, () => runner.tick(job), { name: job.name }));
  undoLater("schedule", async () => {
    for (const task of tasks) await task.destroy();
  });
  const stopping = new AbortController();
  // The API does so, too: either may be away.
  const strangers = keepStrangersOut(redis, settings.service.redisLoginMs, logger, stopping.signal);
  undoLater("check of connections to redis", async () => {
    stopping.abort();
    await strangers;
  });
  const following = followPorts(stopping.signal);
  undoLater("ports of hosts", async () => {
    stopping.abort();
    await following;
  });
  logger.info({ jobs: jobs.map(({ name, cron }) => ({ name, cron })) }, "jobs scheduled");
  // What went wrong while no process ran jobs is repaired now, not at the next tick.
  for (const job of jobs) void runner.tick(job);
  await untilTold();

  /** Keeps hosts told of what their ports should be; a fault is logged when it begins and when it is over. */
  async function followPorts(stop: AbortSignal): Promise<void> {
    let wasFaulty = false;
    const follower = createPortFollower(
      { store, engines: containers, portMaps: createPortMaps(redis), readHeartbeats, ...realTime },
      { ...settings.ports, concurrency: settings.jobs.concurrency },
      (fault) => {
        if (fault && !wasFaulty) logger.warn({ err: fault }, "ports of hosts cannot be followed");
        if (!fault && wasFaulty) logger.info("ports of hosts are followed again");
        wasFaulty = fault !== undefined;
      },
    );
    await follower.run(stop);
  }

  async function readBlockList(): Promise<string | undefined> {
    const { blockListFile } = settings.operator;
    if (blockListFile === undefined) return undefined;
    const { size } = await stat(blockListFile);
    if (size > MOST_LIST_BYTES) throw new Error(`it has ${size} bytes; ${MOST_LIST_BYTES} are the most`);
    return readFile(blockListFile, "utf8");
  }

  /** The ways that are set up by which the operator is told of alarms. */
  function sendersOf(how: typeof settings.notifications): DeliverPorts["send"] {
    const { webhookUrl, webhookSecret, smtpUrl, mailFrom, mailTo, timeoutMs } = how;
    return {
      ...(webhookUrl !== undefined &&
        webhookSecret && { webhook: createWebhook({ url: webhookUrl, key: webhookSecret, timeoutMs, clock }) }),
      ...(smtpUrl !== undefined &&
        mailFrom !== undefined &&
        mailTo && { mail: createMail({ url: smtpUrl, from: mailFrom, to: mailTo, timeoutMs }) }),
    };
  }

  /** What the jobs of a fleet work with; from here on, this process is a candidate for leading the scaling. */
  async function joinFleet(needs: FleetNeeds, tls: () => ClientTls): Promise<FleetJobPorts> {
    const leadership = createLeadership(needs.service.mysqlUrl, SCALING);
    undoLater("leadership", leadership.resign);
    const { image, imageArchive } = needs.instances;
    return fleetPorts(needs, await store.hosts.readDeployment(), {
      store,
      engines: { ...engines, ensureImage: (host) => engines.ensureImage(host, image, imageArchive, IMAGE_TIMEOUT_MS) },
      cloud: createDigitalOceanCloud({ ...needs.cloud, timeoutMs: CLOUD_TIMEOUT_MS, budgetMs: CLOUD_BUDGET_MS }),
      readHeartbeats,
      readGateways: createRedisMembership(redis).list,
      keepHeartbeatUsers: createHeartbeatUsers(redis).keep,
      keepGatewayUsers: createGatewayUsers(redis).keep,
      hostFiles: await readHostFiles(needs.enrolment.hostFilesDir),
      gateway: needs.edge.gateways === 0 ? undefined : await readGatewayParts(needs.enrolment.hostFilesDir),
      environment: process.env,
      caPem: () => tls().ca,
      term: leadership.term,
      clock,
    });
  }

  /** What builds the program is loaded only where there are gateways on droplets. */
  async function readGatewayParts(hostFilesDir: string) {
    const { buildGatewayProgram } = await import("../adapters/gateway-program/program.ts");
    const files = await readHostFiles(join(hostFilesDir, "gateway"));
    return { files, programHash: (await buildGatewayProgram()).hash };
  }

  function connectRedis() {
    const redis = openRedis(settings.service.redisUrl, (fault) =>
      logger.warn({ err: fault }, "redis connection failed"),
    );
    undoLater("redis", () => redis.disconnect());
    return redis;
  }
}
