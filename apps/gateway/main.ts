import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { haproxyConfig } from "../adapters/haproxy/config.ts";
import { leaseConfig, leaseDefaults } from "../adapters/haproxy/lease-config.ts";
import { createLeasePlane } from "../adapters/haproxy/lease-plane.ts";
import { createHaproxy, type HaproxyContent } from "../adapters/haproxy/process.ts";
import { createServicePlane } from "../adapters/haproxy/service-plane.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { createNginx } from "../adapters/nginx/nginx.ts";
import { runCommand } from "../adapters/nftables/run.ts";
import { createSharedAddress } from "../adapters/nftables/shared-address.ts";
import { createControlPlane, type ControlPlane } from "../adapters/control-plane/remote.ts";
import { readEdgeFiles, writeEdgeFiles } from "../adapters/pki/edge-files.ts";
import { createAnnouncementBoard } from "../adapters/redis/announcements.ts";
import { openRedis } from "../adapters/redis/discovery.ts";
import { createRedisMembership, createRedisRouteNews, createRedisServiceReports } from "../adapters/redis/gateways.ts";
import { createRedisPools, onPoolMessage } from "../adapters/redis/pools.ts";
import type { OwnAddresses } from "../core/balance/address.ts";
import { carryServices, type CarriedServices } from "../core/balance/carry-services.ts";
import { followServices, type FollowedServices } from "../core/balance/follow-services.ts";
import { keepConfiguration } from "../core/balance/keep-configuration.ts";
import { listenPorts } from "../core/balance/listen-ports.ts";
import { createCarrier } from "../core/edge/carry-routes.ts";
import { gatewayAddresses } from "../core/edge/gateway-addresses.ts";
import { gatewayNamePattern } from "../core/edge/gateway.ts";
import { reportServices } from "../core/edge/service-reports.ts";
import { readRouteLines, routeLines, type RouteTable } from "../core/edge/routes.ts";
import { createAddressSharer } from "../core/ports/share-address.ts";
import { announcementRules, edgePorts } from "../core/settings/balance.ts";
import { leaseBoundsOf, leaseListeningOf } from "../core/settings/edge.ts";
import { loadSettings } from "../core/settings/load.ts";
import { messageOf } from "../lib/errors.ts";
import { inLog, runProgram, type Lifecycle } from "../lib/lifecycle.ts";
import { realTime } from "../lib/time.ts";
import { Unavailable, whileKnown } from "../lib/unavailable.ts";
import { readGoodCertificate, watchCertificate, type GoodCertificate } from "./certificate-watch.ts";
import { startConcierge } from "./concierge-server.ts";
import { createGateway } from "./gateway.ts";
import { createServiceStep, type ServedCertificate } from "./services.ts";

const SECOND = 1000;
const CERTIFICATE_LOOK_MS = 5 * SECOND;
/** An alarm goes on for as long as it is reported again. */
const REPORT_MS = 60 * SECOND;
const PLANE_ANSWER_MS = 2 * SECOND;
const CONTROL_ANSWER_MS = 5 * SECOND;
/** A certificate is renewed weeks before its end. */
const FETCH_MS = 60 * SECOND;
const STOP_MS = 15 * SECOND;

const NEEDED = ["REDIS_URL", "EDGE_DOMAIN", "EDGE_CERT_DIR"] as const;
/** On a droplet that the fleet has ordered, the control plane takes the place of MySQL. */
const settings =
  (process.env["GATEWAY_CONTROL_URL"] ?? "") === ""
    ? loadSettings(process.env, ["MYSQL_URL", ...NEEDED])
    : loadSettings(process.env, NEEDED);
const { service, edge, hosts, balance } = settings;
// Errors of Redis clients carry the command that failed, and with a login the password in it.
const logger = pino({ name: "gateway", level: service.logLevel, redact: ["err.command.args"] });
const { clock } = realTime;
const nowMs = () => performance.now();

await runProgram(carry, inLog(logger));

/** Carries all instances until it is told to stop. */
async function carry({ undoLater, untilTold }: Lifecycle): Promise<void> {
  const name = gatewayName();
  /** What the control plane has said last of whether this gateway drains, and who is to hear it. */
  const draining: { isTold: boolean; hear: (isDraining: boolean) => void } = { isTold: false, hear: () => undefined };
  let isFetchFaulty = false;
  const readFiles = () => readEdgeFiles(edge.certificateDir);
  const { store, control } = await openStore();
  undoLater(control ? "control plane" : "database", store.disconnect);
  if (control) await fetchCertificate(control);
  // Before anything listens.
  const certificate = await readGoodCertificate({ readFiles, clock }, edge.domain).catch((cause: unknown) => {
    throw new Error(`EDGE_CERT_DIR is "${edge.certificateDir}": ${messageOf(cause)}`, { cause });
  });
  const connect = () => openRedis(service.redisUrl, (fault) => logger.warn({ err: fault }, "redis connection failed"));
  const [redis, listener, poolListener] = [connect(), connect(), connect()];
  undoLater("redis", () => {
    for (const client of [redis, listener, poolListener]) client.disconnect();
  });
  await mkdir(edge.runDir, { recursive: true, mode: 0o700 });
  const haproxy = createHaproxy(edge.runDir);
  const plane = createLeasePlane(haproxy.files, PLANE_ANSWER_MS);
  const carrier = createCarrier({ routes: store.routes, plane, nowMs }, hosts);

  const concierge = await startConcierge({
    domain: edge.domain,
    socketPath: haproxy.files.conciergeSocket,
    innerSocketPath: haproxy.files.innerSocket,
    fullSocketPath: haproxy.files.fullSocket,
    hasRoute: (id) => carrier.table().has(id),
    loginMs: settings.instances.loginSeconds * SECOND,
    most: Math.ceil(edge.connections / 4),
  });
  undoLater("concierge", concierge.close);

  let served = certificate;
  let servicesServed: GoodCertificate | undefined;
  let toldPorts: string | undefined;
  let certificateToldAt = -Infinity;
  /** One after the other: the newest wish is the last one that is fulfilled. */
  let bringing: Promise<void> = Promise.resolve();
  function bringPlane(next: GoodCertificate = served): Promise<void> {
    const brought = bringing.then(async () => {
      const known = await knownRoutes();
      // Those that are read meanwhile count.
      const routes = () => (carrier.hasRead() ? carrier.table() : known);
      await haproxy.bring(contentOf(next, routes), (replace) =>
        carrier.betweenSteps(async () => {
          await replace();
          await plane.forgetOlder();
        }),
      );
      served = next;
    });
    bringing = brought.catch(() => undefined);
    return brought;
  }

  // What is to be carried, if that can be known now.
  await carrier.step([], true);
  undoLater("HAProxy", haproxy.stop, { withinMs: STOP_MS, kill: haproxy.kill });
  await bringPlane();
  logger.info(
    { gateway: name, port: edge.port, plainPort: edge.plainPort, routes: carrier.table().size },
    "gateway listens",
  );

  const gateway = createGateway(
    {
      carrier,
      plane,
      bringPlane: () => bringPlane(),
      isPlaneRunning: haproxy.isRunning,
      membership: createRedisMembership(redis),
      news: createRedisRouteNews(redis, listener),
      events: store.events,
      clock,
      nowMs,
      pause,
      log: (level, fields, message) => logger[level](fields, message),
    },
    { ...edge, name, addresses: edge.gatewayAddresses ?? [], machineAddresses, version: await readVersion() },
  );
  // For maintenance: from then on new clients are led to others, and those that are connected stay.
  process.on("SIGUSR2", () => {
    logger.info({ gateway: name }, "gateway drains");
    gateway
      .drain(true)
      .catch((fault: unknown) => logger.warn({ err: fault }, "the event that this gateway drains is lost"));
  });
  const stopping = new AbortController();
  draining.hear = (isDraining) => {
    logger.info({ gateway: name, isDraining }, "the control plane says whether this gateway drains");
    gateway
      .drain(isDraining)
      .catch((fault: unknown) => logger.warn({ err: fault }, "the event that this gateway drains is lost"));
  };
  if (draining.isTold) draining.hear(true);
  const working = gateway.run(stopping.signal);
  const watching = keepCertificate(stopping.signal);
  const fetching = control && keepFetching(control, stopping.signal);
  const balancing = keepServices(stopping.signal);
  undoLater(
    "gateway",
    async () => {
      stopping.abort();
      await Promise.all([working, watching, balancing, fetching]);
    },
    { withinMs: STOP_MS },
  );
  const sharing = edge.sharedAddress === undefined ? undefined : shareAddress(edge.sharedAddress, stopping.signal);
  undoLater("shared address", async () => {
    stopping.abort();
    await sharing;
  });
  await Promise.race([untilTold(), working, watching, balancing]);

  /** Where routes and services are read from: MySQL, or the control plane. */
  async function openStore() {
    const { controlUrl: url, controlCa, controlSecret: secret } = edge;
    if (url === undefined || controlCa === undefined || secret === undefined) {
      if (service.mysqlUrl === undefined) throw new Error("there is neither MYSQL_URL nor GATEWAY_CONTROL_URL");
      return { store: createMysqlStore(service.mysqlUrl), control: undefined };
    }
    const place = { url, ca: await readFile(controlCa, "utf8"), gateway: name, secret, answerMs: CONTROL_ANSWER_MS };
    const plane = createControlPlane(place, (isDraining) => {
      if (isDraining === draining.isTold) return;
      draining.isTold = isDraining;
      draining.hear(isDraining);
    });
    const disconnect = () => {
      plane.close();
      return Promise.resolve();
    };
    return { store: { ...plane, disconnect }, control: plane };
  }

  /** The certificate of before serves on while there is none to be had. */
  async function fetchCertificate(plane: ControlPlane): Promise<void> {
    try {
      const next = await plane.readCertificate();
      if (next) await writeEdgeFiles(edge.certificateDir, next);
      if (isFetchFaulty) logger.info("the certificate is followed again");
      isFetchFaulty = false;
    } catch (fault) {
      if (!(fault instanceof Unavailable)) throw fault;
      if (!isFetchFaulty) logger.warn({ err: fault }, "the certificate cannot be read from the control plane");
      isFetchFaulty = true;
    }
  }

  async function keepFetching(plane: ControlPlane, stop: AbortSignal): Promise<void> {
    for (;;) {
      await pause(FETCH_MS, stop);
      if (stop.aborted) return;
      await fetchCertificate(plane);
    }
  }

  /** Carries services besides instances, in a HAProxy and an nginx of their own. */
  async function keepServices(stop: AbortSignal): Promise<void> {
    const serviceProxy = createHaproxy(join(edge.runDir, "services"));
    const nginxDir = join(edge.runDir, "nginx");
    const nginx = createNginx(nginxDir);
    undoLater("HAProxy of services", serviceProxy.stop, { withinMs: STOP_MS, kill: serviceProxy.kill });
    undoLater("nginx", nginx.stop, { withinMs: STOP_MS });
    await mkdir(serviceProxy.files.dir, { recursive: true, mode: 0o700 });
    await mkdir(nginxDir, { recursive: true, mode: 0o711 });
    // Workers of nginx, who are not root, pass through.
    if (balance.renderer === "nginx") await chmod(edge.runDir, 0o711);

    let followed: FollowedServices = { services: [], isWhole: false };
    const ports = new Set<number>();
    const membership = createRedisMembership(redis);
    /** From outside. */
    const reachedAt = [edge.gatewayAddresses ?? [], edge.sharedAddress ?? []].flat();
    /** As they were known last. */
    let peers: Awaited<ReturnType<typeof membership.list>> = [];
    const own = (): OwnAddresses => ({
      ips: gatewayAddresses([...machineAddresses(), ...reachedAt], peers),
      ports: [...edgePorts(edge), ...ports],
    });
    const follower = followServices(
      { store, pools: createRedisPools(redis), board: createAnnouncementBoard(redis), clock, nowMs },
      {
        own,
        reservedPorts: edgePorts(edge),
        mostMembers: balance.mostMembers,
        announcements: announcementRules(settings),
        holdMs: balance.holdMs,
      },
    );
    onPoolMessage(poolListener, (key, message) => {
      follower
        .hear(key, message)
        .catch((fault: unknown) => logger.warn({ err: fault, key }, "message to a pool is lost"));
    });
    const bounds = { connections: balance.connections, longestMs: edge.idleMs, timeoutMs: PLANE_ANSWER_MS };
    const redirectsPlainHttp = balance.redirect === "on";
    const servicePlane = createServicePlane(serviceProxy, bounds);
    const step = createServiceStep(
      {
        follower: {
          look: async () => {
            peers = (await whileKnown(membership.list(), "redis")) ?? peers;
            followed = await follower.look();
            ports.clear();
            for (const { port } of followed.services) ports.add(port);
            return followed;
          },
        },
        haproxy: {
          ...serviceProxy,
          carry: carryServices(
            { plane: servicePlane, store, clock, nowMs },
            { gateway: name, drainMs: balance.drainMs },
          ),
        },
        nginx: {
          ...nginx,
          folder: nginxDir,
          configuration: keepConfiguration({ plane: nginx, store, clock, nowMs }, name),
        },
        print: (listing) => process.stdout.write(listing),
        note: (reason) => gateway.note({ kind: "configuration-refused", alarm: true, reason: `${name}: ${reason}` }),
        nowMs,
      },
      {
        renderer: balance.renderer,
        listenOn: [edge.host.includes(":") ? `[${edge.host}]` : edge.host],
        zones: balance.zones ?? [],
        redirectsPlainHttp,
      },
    );
    const reports = createRedisServiceReports(redis);
    const portsOf = (carried: CarriedServices) =>
      listenPorts(
        followed.services.filter(({ name }) => carried.has(name)),
        redirectsPlainHttp,
      );
    let wasFaulty = false;
    while (!stop.aborted) {
      let carried: CarriedServices | undefined;
      try {
        carried = await step(await serviceCertificate(serviceProxy.files.certificate, join(nginxDir, "services.pem")));
        if (carried) await tellPorts(portsOf(carried));
        if (wasFaulty) logger.info("services are carried again");
        wasFaulty = false;
      } catch (fault) {
        if (!wasFaulty) logger.warn({ err: fault }, "services are not carried as they should be");
        wasFaulty = true;
      }
      // Nobody waits for it: while Redis is away, what was told ends by itself.
      if (carried)
        await whileKnown(reports.tell(reportServices(name, followed.services, carried), edge.lifeMs), "redis");
      await pause(edge.checkMs, stop);
    }
    await whileKnown(reports.withdraw(name), "redis");
  }

  /** Leaves the ports of services where this machine's firewall looks for them, see infra/deploy/service-ports.sh. */
  async function tellPorts(ports: readonly number[]): Promise<void> {
    const lines = ports.map((port) => `${port}\n`).join("");
    if (lines === toldPorts) return;
    const file = join(edge.runDir, "service-ports");
    await writeFile(`${file}.new`, lines, { mode: 0o600 });
    await rename(`${file}.new`, file);
    toldPorts = lines;
  }

  /** Writes the certificate of services to where HAProxy and nginx read it, when it is another one. */
  async function serviceCertificate(forHaproxy: string, forNginx: string): Promise<ServedCertificate> {
    const next = await readServiceCertificate();
    if (next.fingerprint !== servicesServed?.fingerprint) {
      for (const file of [forHaproxy, forNginx]) await writeFile(file, next.pem, { mode: 0o600 });
      servicesServed = next;
    }
    return { haproxy: forHaproxy, nginx: forNginx, mark: next.fingerprint };
  }

  /** The one in SERVICE_CERT_DIR while it is good, else the one that was; without such a folder that of the edge. */
  async function readServiceCertificate(): Promise<GoodCertificate> {
    const { certificateDir } = balance;
    if (certificateDir === undefined) return served;
    try {
      return await readGoodCertificate({ readFiles: () => readEdgeFiles(certificateDir), clock }, undefined);
    } catch (fault) {
      if (servicesServed === undefined) throw new Error(`SERVICE_CERT_DIR: ${messageOf(fault)}`, { cause: fault });
      const reason = `the certificate in SERVICE_CERT_DIR cannot be served, and the one before is served on`;
      if (clock().getTime() - certificateToldAt < REPORT_MS) return servicesServed;
      certificateToldAt = clock().getTime();
      await gateway.note({ kind: "certificate-refused", alarm: true, reason: `${reason}: ${messageOf(fault)}` });
      return servicesServed;
    }
  }

  /** Answers for a share of an address that all gateways have; a fault is logged when it begins and when it is over. */
  async function shareAddress(address: string, stop: AbortSignal): Promise<void> {
    const place = { address, device: edge.sharedDevice };
    const sharer = createAddressSharer(
      { membership: createRedisMembership(redis), address: createSharedAddress(place, edge.lifeMs, runCommand) },
      name,
      edge.sharedBuckets,
    );
    let wasFaulty = false;
    while (!stop.aborted) {
      try {
        const peers = await sharer.step();
        if (peers) logger.info({ address, peers }, "address shared");
        wasFaulty = false;
      } catch (fault) {
        if (!wasFaulty) logger.warn({ err: fault, address }, "the share of the address stays as it is");
        wasFaulty = true;
      }
      await pause(edge.beatMs, stop);
    }
    await sharer.clear();
  }

  async function keepCertificate(stop: AbortSignal): Promise<void> {
    const serve = async (next: GoodCertificate) => {
      await bringPlane(next);
      gateway.planeStarted();
    };
    const look = watchCertificate({ readFiles, serve, note: gateway.note, clock }, edge.domain, certificate);
    for (;;) {
      await pause(CERTIFICATE_LOOK_MS, stop);
      if (stop.aborted) return;
      await look();
    }
  }

  /** All routes as far as they are known: read, else as HAProxy carries them, else as it was started with. */
  async function knownRoutes(): Promise<RouteTable> {
    if (carrier.hasRead()) return carrier.table();
    return plane
      .readRoutes()
      .catch(async () => readRouteLines(await readFile(haproxy.files.routes, "utf8").catch(() => "")));
  }
}

function contentOf(certificate: GoodCertificate, routes: () => RouteTable): HaproxyContent {
  const bounds = leaseBoundsOf(settings);
  return (files) =>
    new Map([
      [files.certificate, certificate.pem],
      [files.routes, routeLines(routes())],
      [
        files.config,
        haproxyConfig(
          { connections: edge.connections, longestMs: edge.idleMs },
          leaseDefaults(bounds),
          [leaseConfig(leaseListeningOf(edge), bounds, files)],
          files,
        ),
      ],
    ]);
}

/** Addresses of this machine that others may reach it at. */
function machineAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  return all.filter(({ internal }) => !internal).map(({ address }) => address);
}

function gatewayName(): string {
  const name = edge.gatewayName ?? hostname().toLowerCase().replace(/\..*$/, "");
  if (!gatewayNamePattern.test(name))
    throw new Error(`this machine is called "${name}", which is no name for a gateway: set GATEWAY_NAME`);
  return name;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

/** Version of this service, as package.json has it. */
async function readVersion(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
