import type { App } from "../../app.ts";
import { servedOrigin } from "../../callers/served-origin.ts";
import { createCliPackages } from "../../cli-package/pack.ts";

/** `/cli.tgz`: the command line as an npm package, for the service as its caller has reached it. */
export function cliRoutes() {
  const packageFor = createCliPackages();

  return (app: App) => {
    app.get("/cli.tgz", { schema: { hide: true } }, async (request, reply) => {
      const { tarball, hash } = await packageFor(servedOrigin(request));
      const etag = `"${hash}"`;
      // Asked for anew each time: it changes with the service.
      reply.header("etag", etag).header("cache-control", "no-cache");
      if (request.headers["if-none-match"] === etag) return reply.code(304).send();
      return reply.type("application/gzip").send(tarball);
    });
  };
}
