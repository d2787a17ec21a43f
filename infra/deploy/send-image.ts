import pMap from "p-map";
import { createDockerEngines } from "../../apps/adapters/docker/engines.ts";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import { clientTlsIn } from "../../apps/adapters/pki/pki-files.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import type { Settings } from "../../apps/core/settings/settings.ts";
import { messageOf } from "../../apps/lib/errors.ts";

const TRANSFER_MS = 120_000;

/**
 * Sends every host the image of the settings. A host gets its image when it joins; after a change of the
 * setting, hosts that joined before would fail every hand-out.
 */
try {
  await sendImage(loadSettings(process.env, ["MYSQL_URL", "PKI_DIR", "INSTANCE_IMAGE"]));
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}

async function sendImage({
  service,
  enrolment,
  hosts: { engineTimeoutMs },
  instances: { image, imageArchive },
  jobs,
}: Settings<"MYSQL_URL" | "PKI_DIR" | "INSTANCE_IMAGE">): Promise<void> {
  const store = createMysqlStore(service.mysqlUrl);
  const engines = createDockerEngines(
    engineTimeoutMs,
    clientTlsIn(enrolment.pkiDir, () => performance.now()),
  );
  try {
    const hosts = await store.hosts.list();
    const have = await pMap(
      hosts,
      async ({ host }) => {
        try {
          await engines.ensureImage(host, image, imageArchive, TRANSFER_MS);
          return true;
        } catch (fault) {
          console.log(`! ${host.name} has not got the image, drain it: ${messageOf(fault)}`);
          return false;
        }
      },
      { concurrency: jobs.concurrency },
    );
    console.log(`✓ ${have.filter(Boolean).length} of ${hosts.length} hosts have ${image}`);
  } finally {
    await store.disconnect();
  }
}
