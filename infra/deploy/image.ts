import { rename, writeFile } from "node:fs/promises";
import { messageOf } from "../../apps/lib/errors.ts";
import { chooseImageServer, writeImageArchive } from "../servers/redis-image.ts";
import { updatePackageLists, upgradeServers } from "../servers/package-updates.ts";
import { ensureSystemPackages } from "../servers/system-packages.ts";

const [archive, envFile] = process.argv.slice(2);

/**
 * Makes the image of this machine's package of Valkey or Redis as a file, and a file of the settings that name it.
 * Installs the package when it is missing, and upgrades it when there is a newer version.
 */
try {
  if (archive === undefined || envFile === undefined) throw new Error("usage: image.ts <archive> <file of settings>");
  const oldLists = await updatePackageLists(new Date());
  const server = await chooseImageServer();
  await ensureSystemPackages([server]);
  const { upgraded, warnings } = await upgradeServers([server]);
  for (const what of upgraded) console.log(`✓ upgraded ${what}`);
  for (const warning of [...(oldLists === undefined ? [] : [oldLists]), ...warnings]) console.log(`! ${warning}`);
  const reference = await writeImageArchive(archive);
  await writeFile(`${envFile}.new`, `INSTANCE_IMAGE=${reference}\nINSTANCE_IMAGE_ARCHIVE=${archive}\n`);
  await rename(`${envFile}.new`, envFile);
  console.log(`✓ ${reference}`);
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
