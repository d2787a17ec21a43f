import { usage } from "../stopped.ts";
import type { Files } from "../world.ts";

/**
 * A new file for a secret that the service tells once. It is made before the secret, so that none is lost for want of a
 * place.
 * @throws Stopped when it cannot be made, or is there already
 */
export async function reserveSecretFile(files: Files, path: string) {
  await files.write(path, "", { isNew: true }).catch((fault: unknown) => {
    throw usage(`${path} cannot be made: ${fault instanceof Error ? fault.message : String(fault)}.`);
  });
  return {
    fill: (secret: string) => files.write(path, `${secret}\n`),
    /** There is no secret: the file goes. */
    discard: () => files.remove(path),
  };
}
