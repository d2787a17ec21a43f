import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
