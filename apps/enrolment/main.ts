import { pino } from "pino";
import { createCertificateAuthority } from "../adapters/pki/certificate-authority.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { authorityIn, enrolmentTlsIn } from "../adapters/pki/pki-files.ts";
import { openRedis } from "../adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../adapters/redis/heartbeat-users.ts";
import { loadSettings } from "../core/settings/load.ts";
import { heartbeatPassword } from "../core/fleet/heartbeat-user.ts";
import { listen } from "../lib/http/listen.ts";
import { inLog, runProgram, type Lifecycle } from "../lib/lifecycle.ts";
import { buildEnrolment } from "./server.ts";

const SECOND = 1000;
const RENEW_LOOK_MS = 5 * SECOND;

const { service, http, enrolment } = loadSettings(process.env, ["MYSQL_URL", "REDIS_URL", "SERVER_SECRET", "PKI_DIR"]);
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
  });
  undoLater("requests", () => app.close(), {
    withinMs: service.shutdownMs,
    ifLate: "their hosts ask again",
  });
  const renewing = setInterval(takeNewCertificate, RENEW_LOOK_MS);
  undoLater("certificate's renewal", () => clearInterval(renewing));
  await listen(app, { host: enrolment.host, port: enrolment.port, setting: "ENROLMENT_PORT" });
  await untilTold();

  /** Uses a renewed certificate from the next connection on. */
  function takeNewCertificate(): void {
    const now = readTls();
    if (now === tls) return;
    tls = now;
    app.server.setSecureContext({ ...now, minVersion: "TLSv1.2" });
    logger.info("certificate renewed");
  }
}
