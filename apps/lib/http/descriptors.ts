import { readFileSync } from "node:fs";

/** Descriptors for everything but clients' connections: databases, engines, instances' consoles, files. */
const OTHERS = 1024;

/** How many files and sockets this process may have open; undefined where the system does not tell. */
export function openFilesLimit(): number | undefined {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}

/** As many of the wanted connections as leave descriptors for everything else: half of them, where there are few. */
export function connectionsWithin(wanted: number, openFiles: number | undefined): number {
  if (openFiles === undefined) return wanted;
  return Math.max(1, Math.min(wanted, openFiles - Math.min(OTHERS, Math.ceil(openFiles / 2))));
}
