import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Holds a name on this machine (network namespace) until the returned server is closed or this process ends, however
 * it ends: it is a socket name of the kernel's, so no stale lock is left. Undefined when another process holds it.
 */
export async function holdName(name: string): Promise<Server | undefined> {
  const holder = createServer();
  holder.listen(`\0getaredis-${name}`);
  try {
    await once(holder, "listening");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw cause;
  }
  return holder.unref();
}
