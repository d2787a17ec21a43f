import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import { Eta } from "eta";
import type { FastifyRequest } from "fastify";
import type { Handout } from "../../../core/instances/create-instance.ts";
import type { Settings } from "../../../core/settings/settings.ts";
import type { Problem } from "../../../lib/http/problem.ts";
import type { App, ServerParts } from "../../server.ts";

const publicFolder = fileURLToPath(new URL("../../../../public", import.meta.url));
const assetsFolder = `${publicFolder}/assets`;

/** The mark of the product. */
export const iconFile = `${assetsFolder}/icon.svg`;

/** The limits that people are told. */
export function limitsOf({ instances }: Pick<Settings, "instances">) {
  return {
    ttlSeconds: instances.leaseSeconds,
    minTtlSeconds: instances.leaseMinSeconds,
    maxTtlSeconds: instances.leaseMaxSeconds,
    perAddress: instances.quotaPerAddress,
    memoryMb: instances.memoryMb,
    maxClients: instances.maxClients,
  };
}

/** What the page shows besides the button: the outcome of a form post. */
export type HomeContent = {
  readonly instance?: Handout;
  readonly problem?: Pick<Problem, "title" | "detail" | "status">;
};

/** The homepage, rendered by {@link HomePage.render} for visits and for form posts without JavaScript. */
export type HomePage = Awaited<ReturnType<typeof createHomePage>>;

/** Reads the templates when first used; the counts on the page are absent while MySQL does not answer. */
export async function createHomePage({ store, create, config }: Pick<ServerParts, "store" | "create" | "config">) {
  const eta = new Eta({ views: publicFolder, cache: true });
  // In the path of every asset, imported modules too: browsers may keep them for ever and never mix two versions.
  const assets = `/assets/${await hashOfAssets()}/`;

  async function render(request: FastifyRequest, content: HomeContent): Promise<string> {
    const stats = await store.history.countHandouts(create.clock()).catch(() => null);
    return eta.render("index", {
      assets,
      limits: limitsOf(config),
      stats,
      origin: `${request.protocol}://${request.host}`,
      instance: content.instance ?? null,
      problem: content.problem ?? null,
    });
  }

  return { render, assets };
}

/** `GET /` and the files it uses. */
export function homeRoutes(_parts: ServerParts, home: HomePage) {
  return async (app: App) => {
    await app.register(fastifyStatic, {
      root: assetsFolder,
      prefix: home.assets,
      maxAge: "1y",
      immutable: true,
      index: false,
    });
    app.get("/", { schema: { hide: true } }, async (request, reply) =>
      reply
        .type("text/html; charset=utf-8")
        .header("cache-control", "no-store")
        .send(await home.render(request, {})),
    );
  };
}

/** Changes with any asset. */
async function hashOfAssets(): Promise<string> {
  const hash = createHash("sha256");
  const files = (await readdir(assetsFolder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
  for (const file of files.sort()) hash.update(await readFile(file));
  return hash.digest("hex").slice(0, 10);
}
