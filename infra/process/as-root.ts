import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * The command line that runs a command as root: itself when we are root, through `sudo -n` when
 * sudo asks for no password. Throws when neither holds.
 */
export async function asRoot(command: string, args: string[]): Promise<[string, string[]]> {
  if (isRoot()) return [command, args];
  if (await hasPasswordlessSudo()) return ["sudo", ["-n", command, ...args]];
  throw new Error(`${command} needs root: run this as root, or allow this user sudo without a password`);
}

/** Whether we can act as root at all. */
export async function canBeRoot(): Promise<boolean> {
  return isRoot() || (await hasPasswordlessSudo());
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

async function hasPasswordlessSudo(): Promise<boolean> {
  try {
    await run("sudo", ["-n", "true"]);
    return true;
  } catch {
    return false;
  }
}
