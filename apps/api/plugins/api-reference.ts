import swagger from "@fastify/swagger";
import type { App } from "../app.ts";
import { describeCall, documentHead, finishDocument, type ServiceFacts } from "../reference/document.ts";

/** Makes the OpenAPI document from the schemas of all routes that are registered from now on. */
export async function addApiReference(app: App, facts: ServiceFacts): Promise<void> {
  await app.register(swagger, {
    openapi: documentHead(facts),
    transform: ({ schema, url, route }) => ({
      url,
      schema: describeCall(schema, {
        method: String(route.method),
        isProbe: route.config?.rateLimit === false,
      }),
    }),
    transformObject: (draft) => finishDocument("openapiObject" in draft ? draft.openapiObject : {}, facts) as object,
  });
}
