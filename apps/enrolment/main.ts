import { pino } from "pino";
import { createCertificateAuthority } from "../adapters/pki/certificate-authority.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { authorityIn, enrolmentTlsIn } from "../adapters/pki/pki-files.ts";
import { openRedis } from "../adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../adapters/redis/heartbeat-users.ts";
import { loadConfig } from "../core/settings/config.ts";
import { heartbeatPassword } from "../core/fleet/heartbeat-user.ts";
import { listen } from "../lib/http/listen.ts";
import { inLog, runProgram, type Lifecycle } from "../lib/lifecycle.ts";
import { buildEnrolment } from "./server.ts";

const SECOND = 1000;
const RENEW_LOOK_MS = 5 * SECOND;

const config = loadConfig(process.env, ["MYSQL_URL", "REDIS_URL", "SERVER_SECRET", "PKI_DIR"]);
// Errors of Redis clients carry the command that failed, and with a login the password in it.
const logger = pino({ name: "enrolment", level: config.LOG_LEVEL, redact: ["err.command.args"] });
const clockMs = () => performance.now();

const readTls = enrolmentTlsIn(config.PKI_DIR, clockMs);
const readAuthority = authorityIn(config.PKI_DIR, clockMs);
let tls = readTls();
// A folder that is not whole is told now, not to the first host.
readAuthority();

await runProgram(serve, inLog(logger));

/** Takes requests until it is told to stop; then lets those in flight finish, and lets go of everything. */
async function serve({ undoLater, untilTold }: Lifecycle): Promise<void> {
  const store = createMysqlStore(config.MYSQL_URL);
  undoLater("database", store.disconnect);
  const redis = openRedis(config.REDIS_URL, (fault) => logger.warn({ err: fault }, "redis connection failed"));
  undoLater("redis", () => redis.disconnect());
  const app = await buildEnrolment({
    logger,
    tls,
    enrol: {
      store,
      authority: createCertificateAuthority(readAuthority),
      heartbeatPassword: (hostName) => heartbeatPassword(config.SERVER_SECRET, hostName),
      grantHeartbeat: createHeartbeatUsers(redis).grant,
      clock: () => new Date(),
    },
  });
  undoLater("requests", () => app.close(), {
    withinMs: config.SHUTDOWN_SECONDS * SECOND,
    ifLate: "their hosts ask again",
  });
  const renewing = setInterval(takeNewCertificate, RENEW_LOOK_MS);
  undoLater("certificate's renewal", () => clearInterval(renewing));
  await listen(app, { host: config.ENROLMENT_HOST, port: config.ENROLMENT_PORT, setting: "ENROLMENT_PORT" });
  await untilTold();

  /** Shows a renewed certificate from the next connection on. */
  function takeNewCertificate(): void {
    const now = readTls();
    if (now === tls) return;
    tls = now;
    app.server.setSecureContext({ ...now, minVersion: "TLSv1.2" });
    logger.info("certificate renewed");
  }
}
