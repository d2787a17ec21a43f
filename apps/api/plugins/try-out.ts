import { readFile } from "node:fs/promises";
import swaggerUi from "@fastify/swagger-ui";
import type { App } from "../app.ts";
import { iconFile } from "../public-folder.ts";
import { tryOutSecurityPolicy } from "./security-headers.ts";

/** `/docs/try`: each call of the OpenAPI document with a form that sends it to this service. */
export async function addTryOut(app: App): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: "/docs/try",
    staticCSP: tryOutSecurityPolicy,
    uiConfig: {
      validatorUrl: null,
      // Fields can be filled in at once, and the operator's calls are closed until they are asked for.
      tryItOutEnabled: true,
      docExpansion: "none",
      defaultModelsExpandDepth: -1,
      displayRequestDuration: true,
    },
    theme: { title: "Try the API · Get a Redis" },
    logo: { type: "image/svg+xml", content: await readFile(iconFile), href: "/docs", target: "_self" },
  });
}
