import type { FastifyReply } from "fastify";

/**
 * A signal that aborts when the caller hangs up before the answer is out. Fastify's own `request.signal` says
 * something else: it follows the request's stream, which Node closes once the body has been read, so that it aborts
 * for callers who still wait.
 */
export function hungUpSignal({ raw }: FastifyReply): AbortSignal {
  const hungUp = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) hungUp.abort();
  });
  return hungUp.signal;
}
