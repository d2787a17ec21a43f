import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

const BYTES = 24;

/** Reads the secret that a file keeps; draws and writes one (192 bit, mode 0600) when there is none yet. */
export async function keptSecret(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const secret = randomBytes(BYTES).toString("base64url");
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // Whole or not at all, also when we are killed in between.
  await writeFile(`${file}.new`, `${secret}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return secret;
}
