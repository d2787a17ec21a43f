import { rename, writeFile } from "node:fs/promises";
import { messageOf } from "../../apps/lib/errors.ts";
import { chooseImageServer, writeImageArchive } from "../servers/redis-image.ts";
import { ensureSystemPackages } from "../servers/system-packages.ts";

const [archive, envFile] = process.argv.slice(2);

/**
 * Makes the image of this machine's package of Valkey or Redis as a file, and a file of the settings that name it.
 * Installs the package when it is missing.
 */
try {
  if (archive === undefined || envFile === undefined) throw new Error("usage: image.ts <archive> <file of settings>");
  await ensureSystemPackages([await chooseImageServer()]);
  const reference = await writeImageArchive(archive);
  await writeFile(`${envFile}.new`, `INSTANCE_IMAGE=${reference}\nINSTANCE_IMAGE_ARCHIVE=${archive}\n`);
  await rename(`${envFile}.new`, envFile);
  console.log(`✓ ${reference}`);
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
