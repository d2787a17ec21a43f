import { usage } from "../stopped.ts";
import type { World } from "../world.ts";

/**
 * A secret from a file, or from the environment: as itself, or as a file that holds it. Undefined where there is none.
 * Never from the command line, which everybody on the machine can read.
 * @param file that the command line names; `-` is standard input
 * @param variable of the environment; with `_FILE` it names a file
 */
export async function readSecret(
  { env, files, stdin }: Pick<World, "env" | "files" | "stdin">,
  file: string | undefined,
  variable: string,
): Promise<string | undefined> {
  if (file === "-") return checked(await stdin.read(), "standard input");
  const inEnv = file === undefined ? (env[variable] ?? "") : "";
  if (inEnv !== "") return checked(inEnv, variable);
  const path = file ?? env[`${variable}_FILE`] ?? "";
  if (path === "") return undefined;
  const text = await files.read(path).catch((fault: unknown) => {
    throw usage(`The file ${path} cannot be read: ${fault instanceof Error ? fault.message : String(fault)}.`);
  });
  if (text === undefined) throw usage(`There is no file ${path}.`);
  return checked(text, path);
}

/** What a header can carry; the secret itself is never repeated. */
function checked(text: string, source: string): string {
  const secret = text.trim();
  if (secret === "") throw usage(`There is no token in ${source}: it is empty.`);
  if (!/^[!-~]{1,500}$/.test(secret))
    throw usage(`What is in ${source} is no token: it has more than one line or word.`);
  return secret;
}
