import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

/** A lock that this process holds until it lets it go or ends, however it ends: no stale lock is left. */
export type HeldLock = { readonly release: () => Promise<void> };
/** A lock that another process holds: its id, or "unknown". */
export type TakenLock = { readonly heldBy: string };

const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
/** What flock ends with when the lock is another's. */
const TAKEN = 1;
/** A file that nobody refers to is closed by the garbage collector, and the lock would go with it. */
const held = new Set<FileHandle>();

/**
 * Takes the lock on a file, which is made when there is none. The file belongs in a folder that nobody else can
 * write: it can be read by its owner alone, so that no other user can hold the lock against us.
 */
export async function holdLock(path: string): Promise<HeldLock | TakenLock> {
  const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600).catch((cause: unknown) => {
    throw new Error(`cannot open the lock ${path}: is it another user's?`, { cause });
  });
  let isHeld = false;
  try {
    isHeld = await lock(file);
    if (!isHeld) return { heldBy: (await file.readFile("utf8")).trim() || "unknown" };
    await file.truncate();
    await file.write(`${process.pid}\n`, 0);
  } finally {
    if (!isHeld) await file.close();
  }
  held.add(file);
  return {
    release: async () => {
      held.delete(file);
      await file.close();
    },
  };
}

/**
 * Node has no call for this lock. It is on the open file, which flock shares with us: once flock has ended, it is
 * ours alone, as no other program that we start inherits the file.
 */
async function lock({ fd }: FileHandle): Promise<boolean> {
  const flock = spawn("flock", ["--exclusive", "--nonblock", "3"], { stdio: ["ignore", "ignore", "pipe", fd] });
  let said = "";
  flock.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(flock, "close")) as [number | null];
  if (code !== 0 && code !== TAKEN) throw new Error(`flock failed (${String(code)}): ${said.trim()}`);
  return code === 0;
}
