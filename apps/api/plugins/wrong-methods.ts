import type { HTTPMethods } from "fastify";
import { ProblemError } from "../../lib/http/problem.ts";
import type { App } from "../app.ts";
import { problems } from "../problems/problems.ts";

const methods: readonly HTTPMethods[] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "OPTIONS"];

/**
 * Answers known paths called with another method by 405 and an `Allow` header. Watches routes from now
 * on; `close` adds the answers once all of them are registered.
 */
export function answerWrongMethods(app: App) {
  const known = new Map<string, Set<string>>();
  let watching = true;
  app.addHook("onRoute", ({ url, method }) => {
    if (!watching || url.includes("*")) return;
    const taken = known.get(url) ?? new Set();
    for (const name of [method].flat()) taken.add(name);
    known.set(url, taken);
  });

  function close(): void {
    watching = false;
    for (const [url, taken] of known) {
      const allowed = [...taken].sort();
      app.route({
        url,
        method: methods.filter((method) => !taken.has(method)),
        schema: { hide: true },
        handler: (request, reply) => {
          reply.header("allow", allowed.join(", "));
          throw new ProblemError(problems.wrongMethod(request.method, url, allowed));
        },
      });
    }
  }

  return { close };
}
