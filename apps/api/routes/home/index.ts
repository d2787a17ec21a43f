import { readdirSync, readFileSync } from "node:fs";
import { Eta } from "eta";
import type { History } from "../../../core/figures/contract.ts";
import type { Leases } from "../../../core/instances/contract.ts";
import { keptRecords, type RecordTimes } from "../../../core/operator/kept-records.ts";
import type { OperatorFacts } from "../../../core/settings/operator.ts";
import type { App, HomePage } from "../../app.ts";
import type { Assets } from "../../assets/assets.ts";
import { servedOrigin } from "../../callers/served-origin.ts";
import { assetsFolder, publicFolder } from "../../public-folder.ts";
import { publicLimits, type PublicRules } from "../public-limits.ts";

/** What the homepage needs. */
export type HomePageParts = {
  readonly store: {
    readonly history: Pick<History, "countHandouts">;
    readonly leases: Pick<Leases, "listServers">;
  };
  readonly clock: () => Date;
  readonly rules: PublicRules;
  readonly settings: {
    readonly operator: OperatorFacts;
    readonly records: RecordTimes;
    /** Of the droplets; undefined where there are none. */
    readonly region: string | undefined;
  };
};

/**
 * The homepage. Templates are read when first used; the page's counts, and what runs in instances, are absent while
 * MySQL does not answer.
 */
export function createHomePage({ store, clock, rules, settings }: HomePageParts, { path: assets }: Assets): HomePage {
  const eta = new Eta({ views: publicFolder, cache: true });
  const limits = publicLimits(rules);
  const snippets = readSnippets();
  const kept = keptRecords(settings.records);

  const render: HomePage["render"] = async (request, { held = null, problem = null }) => {
    // A refusal asks nobody: floods of them must cost little.
    const [stats, servers] = problem === null ? await askStore() : [null, []];
    const origin = servedOrigin(request);
    const { operator, region } = settings;
    // Where there is nothing, nothing can be got but the way back.
    const template = problem?.status === 404 ? "missing" : "index";
    return eta.render(template, {
      assets,
      limits,
      stats,
      servers,
      region,
      origin,
      held,
      problem,
      operator,
      kept,
      snippets,
    });
  };

  const askStore = () =>
    Promise.all([
      store.history.countHandouts(clock()).catch(() => null),
      store.leases.listServers().catch(() => []),
    ] as const);

  return { render, assets };
}

/** `GET /`. */
export function homeRoutes(home: HomePage) {
  return (app: App) => {
    app.get("/", { schema: { hide: true } }, async (request, reply) =>
      reply
        .type("text/html; charset=utf-8")
        .header("cache-control", "no-store")
        .send(await home.render(request, {})),
    );
  };
}

/** Programs that use an instance, by their file's name; {url} and the like stand for what is known of it. */
function readSnippets(): Readonly<Record<string, string>> {
  const folder = `${assetsFolder}/snippets`;
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(`${folder}/${name}`, "utf8").trimEnd()]),
  );
}
