import { execFile } from "node:child_process";
import { access, mkdir, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { clearAbandoned, ownedName } from "../../process/owners.ts";

const run = promisify(execFile);
/** Not the tmp folder of the moment: the next run has to find what this one leaves. Short, for sockets. */
const ROOT = "/tmp/getaredis-bed";
/** 10.213.0.0/16 in pieces of four addresses. */
const PLACES = 2 ** 14;
const CONTROL_GROUPS = "/sys/fs/cgroup";
/** Time that killed processes may take to leave a control group. */
const LEAVING_MS = 5_000;
const POLL_MS = 20;

/** A number that one machine of namespaces owns, and all that is named after it. */
export interface Place {
  number: number;
  dir: string;
  /** Name of its control group, of its link to us, and of its network namespace if it has one by name. */
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
  await clearAbandoned(ROOT, () => true, clearPlace);
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
    number,
    dir,
    label: `garbed${number}`,
    network: `${base}${first}/30`,
    ourAddress: `${base}${first + 1}`,
    hostAddress: `${base}${first + 2}`,
    release: () => clear(dir, number),
  };
}

/** Removes a link of ours, or of a network namespace, and with it its other end; none there is success. */
export async function removeLink(name: string, namespace?: string): Promise<void> {
  await run("ip", [...(namespace === undefined ? [] : ["-netns", namespace]), "link", "delete", name]).catch(
    (error: unknown) => {
      // It was gone before, or went with its other end meanwhile.
      if (!/Cannot find device|No such device/.test(String(error))) throw error;
    },
  );
}

/** Its processes ended with its owner: what is left are names and the folder. */
async function clear(dir: string, number: number): Promise<void> {
  const place = placeOf(number);
  // First: a link goes with its namespace some time later, and the name has to be free at once.
  await removeLink(place.label);
  await run("ip", ["netns", "delete", place.label]).catch((error: unknown) => {
    if (!/No such file or directory/.test(String(error))) throw error;
  });
  await run("ip", ["route", "del", "unreachable", place.network]).catch(() => undefined);
  await removeControlGroups(place.label);
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}

/** Of several processes that clear, the one whose rename succeeds does it. */
async function clearPlace(dir: string, name: string): Promise<void> {
  const mine = join(ROOT, await ownedName("cleared"));
  const isMine = await rename(dir, mine).then(
    () => true,
    () => false,
  );
  if (!isMine) return;
  if (/^\d+$/.test(name)) await clear(mine, Number(name));
  else await rm(mine, { recursive: true, force: true, maxRetries: 5 });
}

/** Version 1 has one tree a controller, version 2 a single one. */
async function removeControlGroups(label: string): Promise<void> {
  const isOneTree = await access(join(CONTROL_GROUPS, "cgroup.controllers")).then(
    () => true,
    () => false,
  );
  const trees = isOneTree
    ? [CONTROL_GROUPS]
    : (await readdir(CONTROL_GROUPS)).map((tree) => join(CONTROL_GROUPS, tree));
  for (const tree of trees) await removeControlGroup(join(tree, label));
}

/** The files of a control group go with it; groups in it have to go first. */
async function removeControlGroup(path: string): Promise<void> {
  const deadline = performance.now() + LEAVING_MS;
  for (;;) {
    try {
      for (const inside of await readdir(path, { withFileTypes: true }))
        if (inside.isDirectory()) await removeControlGroup(join(path, inside.name));
      await rmdir(path);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return;
      if (code !== "EBUSY" || performance.now() > deadline) throw error;
      await sleep(POLL_MS);
    }
  }
}
