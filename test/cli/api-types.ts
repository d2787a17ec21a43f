import openapiTS, { astToString, type OpenAPI3 } from "openapi-typescript";
import { format, resolveConfig } from "prettier";
import ts from "typescript";
import { projectPath } from "../../infra/process/project-path.ts";
import { createTwinApi } from "../bed/twin-api.ts";

/** The file with the types of the API's calls, as the command line reads them. */
export const API_TYPES = projectPath("apps/cli/api/api-types.ts");

const HEAD = `/*
 * The calls of the API, their parameters, bodies and answers. Made from its OpenAPI document by \`npm run api-types\`;
 * what each means is told there, at /docs. Refusals all have the form of Problem.
 */
/* eslint-disable @typescript-eslint/no-redundant-type-constituents */
`;

/** The text of that file, made from the document that the API serves. */
export async function apiTypes(): Promise<string> {
  const api = await createTwinApi();
  try {
    const document = (await (await api.call("/docs/json")).json()) as OpenAPI3;
    const types = astToString(
      await openapiTS(withoutRefusals(document), { defaultNonNullable: false, transform: asText }),
    );
    return await format(`${HEAD}${bare(types)}`, { ...(await resolveConfig(API_TYPES)), filepath: API_TYPES });
  } finally {
    await api.close();
  }
}

const LONG = 8;

/** A long list of words, such as the kinds of events, grows with the service: a newer one sends what is not in it. */
function asText({ enum: words }: { readonly enum?: readonly unknown[] }): ts.TypeNode | undefined {
  if ((words?.length ?? 0) <= LONG) return undefined;
  return ts.factory.createKeywordTypeNode(ts.SyntaxKind.StringKeyword);
}

/** Every call has some dozen of them, of one form. */
function withoutRefusals({ components, paths, ...document }: OpenAPI3): OpenAPI3 {
  const calls = Object.entries(paths ?? {}).map(([path, item]) => [
    path,
    Object.fromEntries(
      Object.entries(item as Record<string, object>).map(([method, call]) => [method, answered(call)]),
    ),
  ]);
  return {
    ...document,
    components: { ...components, responses: {} },
    paths: Object.fromEntries(calls) as NonNullable<OpenAPI3["paths"]>,
  };
}

function answered(call: { readonly responses?: object }): object {
  const answers = Object.entries(call.responses ?? {}).filter(([status]) => Number(status) < 400);
  return { ...call, responses: Object.fromEntries(answers) };
}

/**
 * Without comments, as what the document says in words changes more often than what it says in types, and without what
 * a path has not.
 */
function bare(types: string): string {
  return types
    .replaceAll(/\/\*\*[\s\S]*?\*\/\n/g, "")
    .replaceAll(/^ {8}(parameters: \{(\n {12}\w+\?: never;)+\n {8}\}|\w+\?: never);\n/gm, "");
}
