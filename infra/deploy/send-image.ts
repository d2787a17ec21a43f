import pMap from "p-map";
import { createDockerEngines } from "../../apps/adapters/docker/engines.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import { clientTlsIn } from "../../apps/adapters/pki/pki-files.ts";
import { loadConfig, type Config } from "../../apps/core/settings/config.ts";
import { messageOf } from "../../apps/lib/errors.ts";

const SECOND = 1000;
const TRANSFER_MS = 120 * SECOND;

/**
 * Gives every host the image of the settings. A host gets its image when it joins; after a change of the setting,
 * hosts that joined before would fail every hand-out.
 */
try {
  await sendImage(loadConfig(process.env, ["MYSQL_URL", "PKI_DIR", "INSTANCE_IMAGE"]));
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}

async function sendImage({
  MYSQL_URL,
  PKI_DIR,
  INSTANCE_IMAGE,
  INSTANCE_IMAGE_ARCHIVE,
  ENGINE_TIMEOUT_SECONDS,
  JOB_CONCURRENCY,
}: Config): Promise<void> {
  const store = createMysqlStore(MYSQL_URL);
  const engines = createDockerEngines(
    ENGINE_TIMEOUT_SECONDS * SECOND,
    clientTlsIn(PKI_DIR, () => performance.now()),
  );
  try {
    const hosts = await store.hosts.list();
    const have = await pMap(
      hosts,
      async ({ host }) => {
        try {
          await engines.ensureImage(host, INSTANCE_IMAGE, INSTANCE_IMAGE_ARCHIVE || undefined, TRANSFER_MS);
          return true;
        } catch (fault) {
          console.log(`! ${host.name} has not got the image, drain it: ${messageOf(fault)}`);
          return false;
        }
      },
      { concurrency: JOB_CONCURRENCY },
    );
    console.log(`✓ ${have.filter(Boolean).length} of ${hosts.length} hosts have ${INSTANCE_IMAGE}`);
  } finally {
    await store.disconnect();
  }
}
