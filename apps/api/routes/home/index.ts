import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import fastifyStatic from "@fastify/static";
import { Eta } from "eta";
import type { History } from "../../../core/figures/contract.ts";
import type { OperatorFacts } from "../../../core/settings/operator.ts";
import type { App, HomePage } from "../../app.ts";
import { assetsFolder, hashLibrary, publicFolder } from "../../public-folder.ts";
import { publicLimits, type PublicRules } from "../public-limits.ts";

/** What the homepage needs. */
export type HomePageParts = {
  readonly store: { readonly history: Pick<History, "countHandouts"> };
  readonly clock: () => Date;
  readonly rules: PublicRules;
  readonly settings: { readonly operator: OperatorFacts };
};

/** The homepage. Templates are read when first used; the page's counts are absent while MySQL does not answer. */
export async function createHomePage({ store, clock, rules, settings }: HomePageParts): Promise<HomePage> {
  const eta = new Eta({ views: publicFolder, cache: true });
  // Part of the path of every asset, imported modules too: browsers may cache them for ever and never mix versions.
  const assets = `/assets/${await hashOfAssets()}/`;
  const limits = publicLimits(rules);

  const render: HomePage["render"] = async (request, { instance = null, problem = null }) => {
    // A refusal asks nobody: floods of them must cost little.
    const stats = problem === null ? await store.history.countHandouts(clock()).catch(() => null) : null;
    const origin = `${request.protocol}://${request.host}`;
    return eta.render("index", { assets, limits, stats, origin, instance, problem, operator: settings.operator });
  };

  return { render, assets };
}

/** `GET /` and the files that pages load. */
export function homeRoutes(home: HomePage) {
  return async (app: App) => {
    await app.register(fastifyStatic, {
      root: assetsFolder,
      prefix: home.assets,
      maxAge: "1y",
      immutable: true,
      index: false,
    });
    await app.register(fastifyStatic, {
      root: hashLibrary.folder,
      prefix: `${home.assets}noble/`,
      maxAge: "1y",
      immutable: true,
      index: false,
      decorateReply: false,
      allowedPath: (path) => hashLibrary.files.includes(path.replace(/^\//, "")),
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
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .concat(hashLibrary.files.map((file) => `${hashLibrary.folder}${file}`));
  for (const file of files.sort()) hash.update(await readFile(file));
  return hash.digest("hex").slice(0, 10);
}
