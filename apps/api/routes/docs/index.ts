import { Eta } from "eta";
import { refusedCommands } from "../../../core/services/refused-commands.ts";
import type { App, HomePage } from "../../app.ts";
import { servedOrigin } from "../../callers/served-origin.ts";
import { publicFolder } from "../../public-folder.ts";
import type { OpenApiDocument, ServiceFacts } from "../../reference/document.ts";
import { curlExamples } from "../../reference/examples.ts";
import { pageModel, type PageModel } from "../../reference/page-model.ts";

/** `GET /docs`: the API's reference as a page, and the OpenAPI document that it is made from. */
export function docsRoutes({ operator }: Pick<ServiceFacts, "operator">, { assets }: Pick<HomePage, "assets">) {
  const eta = new Eta({ views: publicFolder, cache: true });
  let model: PageModel | undefined;

  return (app: App) => {
    app.get("/docs", { schema: { hide: true } }, (request, reply) => {
      model ??= pageModel(app.swagger() as unknown as OpenApiDocument);
      const origin = servedOrigin(request);
      const examples = curlExamples(origin);
      const page = eta.render("docs", { ...model, assets, operator, origin, examples, refusedCommands });
      return reply.type("text/html; charset=utf-8").header("cache-control", "no-store").send(page);
    });

    app.get("/docs/json", { schema: { hide: true } }, () => app.swagger());

    app.get("/docs/yaml", { schema: { hide: true } }, (_request, reply) =>
      reply.type("application/yaml; charset=utf-8").send(app.swagger({ yaml: true })),
    );
  };
}
