import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { HostFiles } from "../../core/fleet/user-data.ts";

/**
 * Files of what a host runs besides its instances: the scripts of a folder, and the systemd units of `units` in
 * it.
 */
export async function readHostFiles(dir: string): Promise<HostFiles> {
  return { scripts: await readAll(dir, ".sh"), units: await readAll(join(dir, "units"), ".service") };
}

async function readAll(dir: string, ending: string): Promise<Map<string, string>> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(ending)).sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(dir, name), "utf8")] as const)),
  );
}
