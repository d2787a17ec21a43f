import { execFile } from "node:child_process";
import { glob, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { hasLiveOwner, ownedName } from "./owners.ts";

const run = promisify(execFile);
/** Not the tmp folder of the moment: the next run has to find what this one leaves. Short, for sockets. */
const ROOT = "/tmp/getaredis-bed";
/** 10.213.0.0/16 in pieces of four addresses. */
const PLACES = 2 ** 14;

/** A number that one engine host owns, and all that is named after it. */
export interface Place {
  dir: string;
  /** Name of its link and of its control group. */
  label: string;
  network: string;
  ourAddress: string;
  hostAddress: string;
  /** Removes all that is named after it and gives the number back. */
  release: () => Promise<void>;
}

/** Takes the lowest free place, after clearing those whose owner is gone. Safe across processes. */
export async function claimPlace(): Promise<Place> {
  await mkdir(ROOT, { recursive: true, mode: 0o711 });
  await clearAbandoned();
  // The owner is written before the name is taken: a place never exists without one.
  const owner = await ownedName("owner");
  const claim = join(ROOT, await ownedName("claim"));
  await mkdir(claim);
  await writeFile(join(claim, "owner"), owner);
  for (let number = 0; number < PLACES; number++) {
    const place = placeOf(number);
    try {
      await rename(claim, place.dir);
      return place;
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
  throw new Error(`all ${PLACES} places under ${ROOT} are taken`);
}

function placeOf(number: number): Place {
  const dir = join(ROOT, String(number));
  const base = `10.213.${number >> 6}.`;
  const first = (number & 63) << 2;
  return {
    dir,
    label: `garbed${number}`,
    network: `${base}${first}/30`,
    ourAddress: `${base}${first + 1}`,
    hostAddress: `${base}${first + 2}`,
    release: () => clear(dir, number),
  };
}

/** Pulls the cable of a place; none there is success. */
export async function removeLink({ label }: Pick<Place, "label">): Promise<void> {
  await run("ip", ["link", "delete", label]).catch((error: unknown) => {
    // Gone before we looked, or with its other end while we pulled.
    if (!/Cannot find device|No such device/.test(String(error))) throw error;
  });
}

/** Its processes ended with its owner: what is left are names and the folder. */
async function clear(dir: string, number: number): Promise<void> {
  const { label, network } = placeOf(number);
  await removeLink({ label });
  await run("ip", ["route", "del", "unreachable", network]).catch(() => undefined);
  await removeControlGroups(label);
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}

async function clearAbandoned(): Promise<void> {
  for (const name of await readdir(ROOT)) {
    const dir = join(ROOT, name);
    if (await hasOwner(dir)) continue;
    // Of several processes that clear, the one whose rename succeeds does it.
    const number = /^\d+$/.test(name) ? Number(name) : undefined;
    const mine = join(ROOT, await ownedName("cleared"));
    const isMine = await rename(dir, mine).then(() => true, () => false);
    if (!isMine) continue;
    if (number === undefined) await rm(mine, { recursive: true, force: true, maxRetries: 5 });
    else await clear(mine, number);
  }
}

async function removeControlGroups(label: string): Promise<void> {
  // Version 1 has one tree a controller, version 2 a single one; children go before parents.
  const found: string[] = [];
  for await (const path of glob([`/sys/fs/cgroup/*/${label}{,/*}`, `/sys/fs/cgroup/${label}{,/*}`])) found.push(path);
  for (const path of found.sort().reverse()) {
    await rmdir(path).catch((error: unknown) => {
      // The files of a control group are no folders and go with it; a last process may still be leaving.
      if (!["ENOTDIR", "ENOENT", "EBUSY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    });
  }
}

async function hasOwner(dir: string): Promise<boolean> {
  // A folder on its way to or from being a place has its owner in its name.
  if (await hasLiveOwner(dir)) return true;
  try {
    return await hasLiveOwner(await readFile(join(dir, "owner"), "utf8"));
  } catch {
    return false;
  }
}
