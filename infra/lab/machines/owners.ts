import { randomUUID } from "node:crypto";
import { isSameProcess, markProcess } from "../../process/processes.ts";

/** A fresh name that says which process it belongs to, so that a later one can tell when it is abandoned. */
export async function ownedName(kind: string): Promise<string> {
  const mark = await markProcess(process.pid);
  if (mark === undefined) throw new Error("this process is not in /proc");
  return `${kind}-${randomUUID().slice(0, 8)}-${mark.pid}-${mark.startedAtTicks}`;
}

/** Whether the process that made an owned name still runs; false for names of another form. */
export async function hasLiveOwner(name: string): Promise<boolean> {
  const [, pid, startedAtTicks] = /-(\d+)-(\d+)$/.exec(name) ?? [];
  if (pid === undefined || startedAtTicks === undefined) return false;
  return isSameProcess({ pid: Number(pid), startedAtTicks });
}
