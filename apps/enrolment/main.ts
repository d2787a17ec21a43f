import { pino } from "pino";
import { createCertificateAuthority } from "../adapters/pki/certificate-authority.ts";
import { createMysqlStore } from "../adapters/mysql/index.ts";
import { authorityIn, enrolmentTlsIn } from "../adapters/pki/pki-files.ts";
import { openRedis } from "../adapters/redis/discovery.ts";
import { createHeartbeatUsers } from "../adapters/redis/heartbeat-users.ts";
import { heartbeatPassword } from "../core/fleet/heartbeat-user.ts";
import { loadSettings } from "../core/settings/load.ts";
import { buildEnrolment } from "./server.ts";

const SECOND = 1000;
const RENEW_LOOK_MS = 5 * SECOND;

const { service, enrolment } = loadSettings(process.env, ["MYSQL_URL", "REDIS_URL", "SERVER_SECRET", "PKI_DIR"]);
// Errors of Redis clients carry the command that failed, and with a login the password in it.
const logger = pino({ name: "enrolment", level: service.logLevel, redact: ["err.command.args"] });
const clockMs = () => performance.now();

const readTls = enrolmentTlsIn(enrolment.pkiDir, clockMs);
const readAuthority = authorityIn(enrolment.pkiDir, clockMs);
let tls = readTls();
// A folder that is not whole is told now, not to the first host.
readAuthority();
const store = createMysqlStore(service.mysqlUrl);
const redis = openRedis(service.redisUrl, (fault) => logger.warn({ err: fault }, "redis connection failed"));
const app = await buildEnrolment({
  logger,
  tls,
  enrol: {
    store,
    authority: createCertificateAuthority(readAuthority),
    heartbeatPassword: (hostName) => heartbeatPassword(service.serverSecret, hostName),
    grantHeartbeat: createHeartbeatUsers(redis).grant,
    clock: () => new Date(),
  },
});
const renewing = setInterval(takeNewCertificate, RENEW_LOOK_MS);
let isStopping = false;
try {
  await app.listen({ host: enrolment.host, port: enrolment.port });
} catch (fault) {
  const taken = (fault as NodeJS.ErrnoException).code === "EADDRINUSE";
  logger.fatal(
    { err: fault },
    taken ? `port ${enrolment.port} of ${enrolment.host} is taken: set ENROLMENT_PORT to a free one` : "cannot listen",
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
  }, service.shutdownMs);
  clearInterval(renewing);
  await app.close();
  redis.disconnect();
  await store.disconnect();
  clearTimeout(tooLong);
  logger.info("stopped");
}
