import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";

/** What is read of a body that nobody wants: far more than an honest mistake has, and not for long. */
const MOST_BYTES = 1024 * 1024;
const READING_MS = 2_000;

/**
 * Lets a client that is still sending its body hear why it was refused. A connection that is closed over
 * bytes nobody has read is reset, and the answer is lost with it (RFC 9112, section 9.6).
 */
export function readOutRefusedBodies(app: FastifyInstance): void {
  app.addHook("onError", async ({ raw }, reply) => {
    if (reply.getHeader("connection") === "close" && !raw.complete) await readOut(raw);
  });
}

/** Resolves when the body is over, or was too much for this. */
function readOut(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const end = () => {
      clearTimeout(timer);
      request.off("data", count);
      resolve();
    };
    const count = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) end();
    };
    const timer = setTimeout(end, READING_MS);
    request.on("data", count).once("end", end).once("close", end);
  });
}
