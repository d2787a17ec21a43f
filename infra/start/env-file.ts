import { readFile } from "node:fs/promises";
import { parseEnv } from "node:util";
import { formerNames } from "../../apps/core/settings/load.ts";
import { settings } from "../../apps/core/settings/settings.ts";

/**
 * Takes the settings of a `.env` file into the environment, where what is set already wins. No file is
 * fine. Returns a warning for each name in it that is no setting: a misspelt one would have no effect.
 */
export async function takeEnvFile(path: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new Error(`cannot read ${path}`, { cause });
  }
  const entries = Object.entries(parseEnv(text));
  for (const [name, value] of entries) process.env[name] ??= value;
  const known = new Set<string>(settings.map(({ name }) => name));
  return entries.flatMap(([name]) => {
    if (known.has(name)) return [];
    const now = formerNames[name];
    return now === undefined
      ? `.env sets ${name}, which is not a setting: docs/settings.md lists them all`
      : `.env sets ${name}, which is now called ${now}`;
  });
}
