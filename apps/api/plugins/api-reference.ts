import { readFile } from "node:fs/promises";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { App } from "../app.ts";
import { iconFile } from "../public-folder.ts";
import { referenceSecurityPolicy } from "./security-headers.ts";

/** `/docs`: the reference of all calls, made from their schemas. */
export async function addApiReference(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Get a Redis",
        version: "1",
        description: "One call, one private Redis for some hours. Every error is application/problem+json.",
      },
      tags: [
        { name: "instances" },
        { name: "service", description: "For everybody and for machines" },
        { name: "operator" },
      ],
      components: {
        securitySchemes: {
          owner: { type: "http", scheme: "bearer", description: "The token that came with the instance" },
          operator: { type: "http", scheme: "bearer", description: "The operator's token" },
        },
      },
    },
  });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: referenceSecurityPolicy,
    uiConfig: { validatorUrl: null },
    theme: { title: "Get a Redis: API reference" },
    logo: { type: "image/svg+xml", content: await readFile(iconFile), href: "/", target: "_self" },
  });
}
