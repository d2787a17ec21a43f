import { readdir, readFile } from "node:fs/promises";

const NS_PER_MS = 1_000_000;

/**
 * Milliseconds of processor time that a process, this one unless told, and those it has started have used so far,
 * servers among them. On a machine that does other things as well, this tells what work costs; time on the wall tells
 * how much it waited.
 */
export async function processorMs(root = process.pid): Promise<number> {
  let ms = 0;
  for (const pid of await family(root))
    for (const task of await orNone(readdir(`/proc/${pid}/task`)))
      ms +=
        Number((await orNone(readFile(`/proc/${pid}/task/${task}/schedstat`, "utf8"))).split(" ")[0] ?? 0) / NS_PER_MS;
  return ms;
}

async function family(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await orNone(readFile(`/proc/${name}/stat`, "utf8"));
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const members = [pid];
  for (const member of members) for (const [child, parent] of parents) if (parent === member) members.push(child);
  return members;
}

/** What a process had, which may have ended meanwhile. */
async function orNone(read: Promise<string>): Promise<string>;
async function orNone(read: Promise<string[]>): Promise<string[]>;
async function orNone(read: Promise<string | string[]>): Promise<string | string[]> {
  return read.catch(() => "");
}
