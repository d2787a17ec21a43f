import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../../lib/errors.ts";

/** Names of the files, as certbot keeps them. */
const CHAIN = "fullchain.pem";
const KEY = "privkey.pem";

/**
 * Reads an edge's certificate, with those of its issuers, and its key.
 * @throws when a file is missing or cannot be read, with its name
 */
export async function readEdgeFiles(folder: string): Promise<{ readonly chain: string; readonly key: string }> {
  const read = async (name: string) => {
    try {
      return await readFile(join(folder, name), "utf8");
    } catch (cause) {
      throw new Error(`${join(folder, name)} cannot be read: ${messageOf(cause)}`, { cause });
    }
  };
  return { chain: await read(CHAIN), key: await read(KEY) };
}

/**
 * Puts a certificate and its key in the place of those in `folder`, both at once: it is a link to a folder beside it.
 * Whoever reads it finds one's key with its own certificate.
 */
export async function writeEdgeFiles(
  folder: string,
  { chain, key }: { readonly chain: string; readonly key: string },
): Promise<void> {
  const [beside, link] = [dirname(folder), basename(folder)];
  const name = createHash("sha256").update(chain).update(key).digest("hex").slice(0, 16);
  await mkdir(join(beside, name), { recursive: true, mode: 0o700 });
  await writeFile(join(beside, name, CHAIN), chain, { mode: 0o600 });
  await writeFile(join(beside, name, KEY), key, { mode: 0o600 });
  await rm(join(beside, `${link}.new`), { force: true });
  await symlink(name, join(beside, `${link}.new`));
  await rename(join(beside, `${link}.new`), folder);
  for (const other of await readdir(beside))
    if (other !== name && other !== link) await rm(join(beside, other), { recursive: true, force: true });
}
