import { pino } from "pino";
import { createCertificateAuthority } from "../adapters/pki/certificate-authority.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { authorityIn, enrolmentTlsIn } from "../adapters/pki/pki-files.ts";
import type { GatewayProgram } from "../adapters/gateway-program/program.ts";
import { readEdgeFiles } from "../adapters/pki/edge-files.ts";
import { openRedis } from "../adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../adapters/redis/heartbeat-users.ts";
import { createGatewayUsers } from "../adapters/redis/gateway-users.ts";
import { gatewayPassword, gatewayUserPrefix } from "../core/edge/gateway-user.ts";
import { enrolmentUrl, redisForDroplets } from "../core/settings/enrolment.ts";
import { gatewayEnvironment } from "../core/settings/gateway-environment.ts";
import { loadSettings } from "../core/settings/load.ts";
import type { Store } from "../core/store.ts";
import { heartbeatPassword } from "../core/fleet/heartbeat-user.ts";
import { listen } from "../lib/http/listen.ts";
import { inLog, runProgram, type Lifecycle } from "../lib/lifecycle.ts";
import { generalProblems, ProblemError } from "../lib/http/problem.ts";
import { inUrl } from "../lib/url-host.ts";
import type { GatewayParts } from "./gateways.ts";
import { buildEnrolment } from "./server.ts";

const SECOND = 1000;
const RENEW_LOOK_MS = 5 * SECOND;

const settings = loadSettings(process.env, ["MYSQL_URL", "REDIS_URL", "SERVER_SECRET", "PKI_DIR"]);
const { service, http, enrolment, edge } = settings;
// Errors of Redis clients carry the command that failed, and with a login the password in it.
const logger = pino({ name: "enrolment", level: service.logLevel, redact: ["err.command.args"] });
const clockMs = () => performance.now();

const readTls = enrolmentTlsIn(enrolment.pkiDir, clockMs);
const readAuthority = authorityIn(enrolment.pkiDir, clockMs);
let tls = readTls();
// An incomplete folder is reported now, not when the first host enrols.
readAuthority();

await runProgram(serve, inLog(logger));

/** Serves requests until it is told to stop; then finishes those in flight and closes its connections. */
async function serve({ undoLater, untilTold }: Lifecycle): Promise<void> {
  const store = createMysqlStore(service.mysqlUrl);
  undoLater("database", store.disconnect);
  const redis = openRedis(service.redisUrl, (fault) => logger.warn({ err: fault }, "redis connection failed"));
  undoLater("redis", () => redis.disconnect());
  const app = await buildEnrolment({
    logger,
    tls,
    http,
    enrol: {
      store,
      authority: createCertificateAuthority(readAuthority),
      heartbeatPassword: (hostName) => heartbeatPassword(service.serverSecret, hostName),
      grantHeartbeat: createHeartbeatUsers(redis).grant,
      clock: () => new Date(),
    },
    gateways: gatewaysOf(store, redis),
  });
  undoLater("requests", () => app.close(), {
    withinMs: service.shutdownMs,
    ifLate: "their hosts ask again",
  });
  const renewing = setInterval(takeNewCertificate, RENEW_LOOK_MS);
  undoLater("certificate's renewal", () => clearInterval(renewing));
  await listen(app, { host: enrolment.host, port: enrolment.port, setting: "ENROLMENT_PORT" });
  await untilTold();

  /** What gateways on droplets are served from, those too that are to go; undefined without an edge. */
  function gatewaysOf(from: Store, over: typeof redis): GatewayParts | undefined {
    const { domain, certificateDir } = edge;
    if (domain === undefined) return undefined;
    if (edge.gateways > 0 && certificateDir === undefined)
      throw new Error(`GATEWAYS is ${edge.gateways}, and there is no EDGE_CERT_DIR with the certificate to serve`);
    const passwordOf = (name: string) => gatewayPassword(service.serverSecret, name);
    const seen = redisForDroplets(settings);
    let program: Promise<GatewayProgram> | undefined;
    // What builds it is loaded when the first gateway asks.
    const build = async () => (await import("../adapters/gateway-program/program.ts")).buildGatewayProgram();
    return {
      store: from,
      environmentOf: (name) =>
        gatewayEnvironment(process.env, {
          GATEWAY_NAME: name,
          GATEWAY_CONTROL_URL: enrolmentUrl(enrolment),
          REDIS_URL: `redis://${gatewayUserPrefix}${name}:${passwordOf(name)}@${inUrl(seen.host)}:${seen.port}`,
        }),
      grantRedis: (name) => createGatewayUsers(over).grant(name, passwordOf(name)),
      readCertificate: async () => {
        // One that is to go serves on what it has.
        if (certificateDir === undefined) throw new ProblemError(generalProblems.unavailable());
        return readEdgeFiles(certificateDir);
      },
      program: () => {
        program ??= build();
        // What failed is tried again by the next who asks.
        program.catch(() => (program = undefined));
        return program;
      },
      clock: () => new Date(),
    };
  }

  /** Uses a renewed certificate from the next connection on. */
  function takeNewCertificate(): void {
    const now = readTls();
    if (now === tls) return;
    tls = now;
    app.server.setSecureContext({ ...now, minVersion: "TLSv1.2" });
    logger.info("certificate renewed");
  }
}
