import { execFile } from "node:child_process";
import type { RunCommand } from "./shared-address.ts";

/** A kernel that does not answer: every one of these calls takes some milliseconds. */
const TIMEOUT_MS = 5_000;

/** Runs a command of this machine, with what this process may do. */
export const runCommand: RunCommand = (command, args, input = "") =>
  new Promise((resolve, reject) => {
    const child = execFile(command, [...args], { timeout: TIMEOUT_MS }, (fault, said, complaint) => {
      if (fault)
        reject(new Error(`${command} ${args.join(" ")}: ${complaint.trim() || fault.message}`, { cause: fault }));
      else resolve(said);
    });
    // One that has failed reads no more.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
