import { isDeepStrictEqual } from "node:util";

type Json = { readonly [key: string]: unknown };

/**
 * Moves every schema with a title out of a part of an OpenAPI document: each place refers to it by its title,
 * and `schemas` gets it under that name.
 * @throws when two different schemas have the same title
 */
export function liftSchemas(node: unknown, schemas: Record<string, unknown>): unknown {
  if (Array.isArray(node)) return node.map((each) => liftSchemas(each, schemas));
  if (!isObject(node)) return node;
  const lifted = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, isExample(key) ? value : liftSchemas(value, schemas)]),
  );
  const { title, ...rest } = lifted;
  // A field of a body may be called title; then its value is a schema and not a text.
  if (typeof title !== "string") return typed(lifted);
  const schema = typed(rest);
  if (title in schemas && !isDeepStrictEqual(schemas[title], schema))
    throw new Error(`two schemas are called ${title}`);
  schemas[title] = schema;
  return { $ref: `#/components/schemas/${title}` };
}

/** An enum of texts says that it is one: some generators look at the type alone. */
function typed(schema: Json): Json {
  const { enum: choices, type } = schema;
  const isOfTexts = type === undefined && Array.isArray(choices) && choices.every((each) => typeof each === "string");
  return isOfTexts ? { type: "string", ...schema } : schema;
}

function isExample(key: string): boolean {
  return key === "example" || key === "examples" || key === "default";
}

function isObject(node: unknown): node is Json {
  return typeof node === "object" && node !== null;
}
