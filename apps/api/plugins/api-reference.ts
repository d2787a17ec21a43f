import { readFile } from "node:fs/promises";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { App } from "../app.ts";
import type { OperatorFacts } from "../../core/settings/operator.ts";
import { iconFile } from "../public-folder.ts";
import { referenceSecurityPolicy } from "./security-headers.ts";

/** `/docs`: the reference of all calls, made from their schemas. */
export async function addApiReference(app: App, operator: OperatorFacts): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Get a Redis",
        version: "1",
        description: [
          "One call, one private Redis for some hours. Every error is application/problem+json.",
          ...(operator.privacyUrl === undefined ? [] : [`What is kept of visitors: <${operator.privacyUrl}>`]),
        ].join("\n\n"),
        ...(operator.termsUrl !== undefined && { termsOfService: operator.termsUrl }),
        ...((operator.name ?? operator.contact) !== undefined && { contact: contactOf(operator) }),
      },
      ...(operator.sourceUrl !== undefined && {
        externalDocs: { description: "Source of this service", url: operator.sourceUrl },
      }),
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

function contactOf({ name, contact }: OperatorFacts): { name?: string; email?: string; url?: string } {
  const isMail = contact !== undefined && !URL.canParse(contact);
  return {
    ...(name !== undefined && { name }),
    ...(contact !== undefined && (isMail ? { email: contact } : { url: contact })),
  };
}
