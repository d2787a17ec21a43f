import type { FastifyReply } from "fastify";

/**
 * A signal that aborts when the caller hangs up before the answer is out. Fastify's own `request.signal` does
 * not fit: it follows the request's stream, which Node closes once the body has been read, so it aborts for
 * callers that still wait.
 */
export function hungUpSignal({ raw }: FastifyReply): AbortSignal {
  const hungUp = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) hungUp.abort();
  });
  return hungUp.signal;
}
