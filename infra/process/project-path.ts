import { fileURLToPath } from "node:url";

const PROJECT = new URL("../../", import.meta.url);

/** Where a file of this project is, given relative to its root. */
export function projectPath(path: string): string {
  return fileURLToPath(new URL(path, PROJECT));
}
