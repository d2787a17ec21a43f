import { readdir, readFile } from "node:fs/promises";
import type { HostFiles } from "../../core/fleet/user-data.ts";

const folder = new URL("../../../infra/host/", import.meta.url);

/** What a host runs besides its instances, as `infra/host/` has it: scripts and systemd units. */
export async function readHostFiles(): Promise<HostFiles> {
  return { scripts: await readAll(folder, ".sh"), units: await readAll(new URL("units/", folder), ".service") };
}

async function readAll(dir: URL, ending: string): Promise<Map<string, string>> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(ending)).sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(new URL(name, dir), "utf8")] as const)),
  );
}
