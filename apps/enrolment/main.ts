import { pino } from "pino";
import { createCertificateAuthority } from "../adapters/pki/certificate-authority.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { authorityIn, enrolmentTlsIn } from "../adapters/pki/pki-files.ts";
import { openRedis } from "../adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../adapters/redis/heartbeat-users.ts";
import { loadConfig } from "../core/settings/config.ts";
import { heartbeatPassword } from "../core/fleet/heartbeat-user.ts";
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
const store = createMysqlStore(config.MYSQL_URL);
const redis = openRedis(config.REDIS_URL, (fault) => logger.warn({ err: fault }, "redis connection failed"));
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
const renewing = setInterval(takeNewCertificate, RENEW_LOOK_MS);
let isStopping = false;
try {
  await app.listen({ host: config.ENROLMENT_HOST, port: config.ENROLMENT_PORT });
} catch (fault) {
  const taken = (fault as NodeJS.ErrnoException).code === "EADDRINUSE";
  logger.fatal(
    { err: fault },
    taken
      ? `port ${config.ENROLMENT_PORT} of ${config.ENROLMENT_HOST} is taken: set ENROLMENT_PORT to a free one`
      : "cannot listen",
  );
  process.exitCode = 1;
  await release();
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void release());

/** Shows a renewed certificate from the next connection on. */
function takeNewCertificate(): void {
  const now = readTls();
  if (now === tls) return;
  tls = now;
  app.server.setSecureContext({ ...now, minVersion: "TLSv1.2" });
  logger.info("certificate renewed");
}

/** Stops taking requests, lets those in flight finish, and lets go of everything. */
async function release(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  logger.info("stopping");
  const tooLong = setTimeout(() => {
    logger.fatal("requests did not finish in time; their hosts ask again");
    process.exit(1);
  }, config.SHUTDOWN_SECONDS * SECOND);
  clearInterval(renewing);
  await app.close();
  redis.disconnect();
  await store.disconnect();
  clearTimeout(tooLong);
  logger.info("stopped");
}
