import { sendArchive } from "../../apps/adapters/docker/containers.ts";
import { createDockerEngines } from "../../apps/adapters/docker/engines.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import { clientTlsIn } from "../../apps/adapters/pki/pki-files.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { messageOf } from "../../apps/lib/errors.ts";

/** An archive of some hundred megabytes, over a slow line. */
const TRANSFER_MS = 30 * 60_000;

/**
 * Sends a host the images of an archive that comes on standard input, as `docker save` writes it: for workloads whose
 * images no registry has. See send-archive.sh.
 */
try {
  const [name] = process.argv.slice(2);
  if (name === undefined) throw new Error("usage: send-archive.ts HOST <archive");
  const settings = loadSettings(process.env, ["MYSQL_URL"]);
  const store = createMysqlStore(settings.service.mysqlUrl);
  const { pkiDir } = settings.enrolment;
  const tls = pkiDir === undefined ? undefined : clientTlsIn(pkiDir, () => performance.now());
  try {
    const host = (await store.hosts.list()).find((each) => each.host.name === name)?.host;
    if (!host) throw new Error(`there is no host ${name}`);
    const engines = createDockerEngines(settings.hosts.engineTimeoutMs, tls);
    const images = await sendArchive(engines, host, process.stdin, TRANSFER_MS);
    console.log(`✓ ${name} has got ${images.join(", ") || "the archive"}`);
  } finally {
    await store.disconnect();
  }
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
