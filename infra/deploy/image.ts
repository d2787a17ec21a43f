import { rename, writeFile } from "node:fs/promises";
import { messageOf } from "../../apps/lib/errors.ts";
import { writeImageArchive } from "../servers/redis-image.ts";

const [archive, envFile] = process.argv.slice(2);

/** Makes the image of this machine's redis-server package as a file, and a file of the settings that name it. */
try {
  if (archive === undefined || envFile === undefined) throw new Error("usage: image.ts <archive> <file of settings>");
  const reference = await writeImageArchive(archive);
  await writeFile(`${envFile}.new`, `INSTANCE_IMAGE=${reference}\nINSTANCE_IMAGE_ARCHIVE=${archive}\n`);
  await rename(`${envFile}.new`, envFile);
  console.log(`✓ ${reference}`);
} catch (fault) {
  console.error(messageOf(fault));
  process.exitCode = 1;
}
