import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isSameProcess, markProcess } from "./processes.ts";

/** A new name that contains the process it belongs to, so that a later process can tell when it is abandoned. */
export async function ownedName(kind: string): Promise<string> {
  const mark = await markProcess(process.pid);
  if (mark === undefined) throw new Error("this process is not in /proc");
  return `${kind}-${randomUUID().slice(0, 8)}-${mark.pid}-${mark.startedAtTicks}`;
}

/**
 * Clears what processes that have ended, killed ones too, left in a folder: calls `clear` for each folder in it that
 * `isOurs` and whose owner does not run any more. The owner is in the folder's own name, or in a file `owner` in it.
 */
export async function clearAbandoned(
  parent: string,
  isOurs: (name: string) => boolean,
  clear: (dir: string, name: string) => Promise<void>,
): Promise<void> {
  for (const name of (await readdir(parent)).filter(isOurs)) {
    const dir = join(parent, name);
    if (!(await hasLiveOwner(name)) && !(await hasLiveOwner(await ownerFile(dir)))) await clear(dir, name);
  }
}

async function ownerFile(dir: string): Promise<string> {
  return readFile(join(dir, "owner"), "utf8").catch(() => "");
}

/** Whether the process that made an owned name still runs; false for names of another form. */
export async function hasLiveOwner(name: string): Promise<boolean> {
  const [, pid, startedAtTicks] = /-(\d+)-(\d+)$/.exec(name) ?? [];
  if (pid === undefined || startedAtTicks === undefined) return false;
  return isSameProcess({ pid: Number(pid), startedAtTicks });
}
