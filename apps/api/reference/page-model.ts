import type { ProblemType } from "../../lib/http/problem.ts";
import { problemTypes } from "../problems/problem-types.ts";
import type { Content, OpenApiDocument, Operation, Parameter, Reference, Response, SchemaObject } from "./document.ts";

/** A text in parts: code and words. */
export type Words = readonly { readonly isCode: boolean; readonly text: string }[];
/** A paragraph of a description, or a program in it. */
export type Block = { readonly program: string } | { readonly words: Words };
/** A field of a body or of an answer, or a parameter. */
export type Field = {
  readonly name: string;
  readonly type: string;
  /** Objects that the type names, to lead to. */
  readonly objects: readonly string[];
  readonly isRequired: boolean;
  readonly about: Words;
};
export type ShownCall = {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly about: readonly Block[];
  /** What the request has to carry, in words. */
  readonly access: string;
  readonly parameters: readonly (Field & { readonly place: string })[];
  readonly body: { readonly isRequired: boolean; readonly types: readonly string[]; readonly type: TypeWords } | null;
  readonly answers: readonly {
    readonly status: string;
    readonly about: Words;
    readonly formats: readonly { readonly mediaType: string; readonly type: TypeWords }[];
    readonly headers: readonly string[];
  }[];
  /** Those that not all calls of its group have. */
  readonly refusals: readonly Refusal[];
};
/** Names of problem types that an answer with this status may carry. */
export type Refusal = { readonly status: string; readonly names: readonly string[] };
export type TypeWords = Pick<Field, "type" | "objects">;
export type PageModel = {
  readonly about: readonly Block[];
  readonly groups: readonly {
    readonly name: string;
    readonly about: string;
    /** Those that all its calls have. */
    readonly refusals: readonly Refusal[];
    readonly calls: readonly ShownCall[];
  }[];
  readonly objects: readonly { readonly name: string; readonly about: Words; readonly fields: readonly Field[] }[];
  readonly problems: readonly ShownProblem[];
};
export type ShownProblem = {
  readonly name: string;
  readonly status: number;
  readonly title: string;
  readonly when: Words;
};

const URN = "urn:getaredis:";
const REFERENCE = /^#\/components\/(\w+)\/(.+)$/;

/** What the page of the reference shows, out of the OpenAPI document. */
export function pageModel(document: OpenApiDocument): PageModel {
  const calls = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      tag: operation.tags[0] ?? "",
      call: shownCall(document, path, method, operation),
    })),
  );
  return {
    about: blocks(document.info.description),
    groups: document.tags.map(({ name, description }) => ({
      name,
      about: description,
      ...withSharedRefusals(calls.filter(({ tag }) => tag === name).map(({ call }) => call)),
    })),
    objects: Object.entries(document.components.schemas)
      .filter(([, schema]) => schema["properties"] !== undefined)
      .map(([name, schema]) => ({ name, about: wordsOf(schema), fields: fieldsOf(schema) })),
    problems: shownProblems(),
  };
}

/** Tells once what all of these calls may be refused with. */
function withSharedRefusals(calls: readonly ShownCall[]): Pick<PageModel["groups"][number], "refusals" | "calls"> {
  const [first, ...others] = calls;
  const isShared = (name: string) => others.every(({ refusals }) => refusals.some(({ names }) => names.includes(name)));
  const only = (refusals: readonly Refusal[], isKept: (name: string) => boolean) =>
    refusals
      .map(({ status, names }) => ({ status, names: names.filter(isKept) }))
      .filter(({ names }) => names.length > 0);
  return {
    refusals: only(first?.refusals ?? [], isShared),
    calls: calls.map((call) => ({ ...call, refusals: only(call.refusals, (name) => !isShared(name)) })),
  };
}

function shownProblems(): ShownProblem[] {
  return Object.entries<ProblemType>(problemTypes)
    .map(([name, { status, title, when }]) => ({ name, status, title, when: words(when) }))
    .sort((one, other) => one.status - other.status);
}

function shownCall(document: OpenApiDocument, path: string, method: string, operation: Operation): ShownCall {
  const { operationId, summary, description = "", parameters = [], requestBody, responses } = operation;
  const told = Object.entries(responses).map(([status, response]) => ({
    status,
    response: resolve(document, response) as Response,
  }));
  const isRefusal = ({ response }: { response: Response }) => "application/problem+json" in (response.content ?? {});
  return {
    id: operationId,
    method: method.toUpperCase(),
    path,
    summary,
    about: blocks(description),
    access: accessOf(operation),
    parameters: parameters.map((parameter) => ({ ...parameterField(parameter), place: parameter.in })),
    body: requestBody
      ? {
          isRequired: requestBody.required,
          types: Object.keys(requestBody.content),
          type: typeOf(Object.values(requestBody.content)[0]?.schema ?? {}),
        }
      : null,
    answers: told
      .filter((each) => !isRefusal(each))
      .map(({ status, response }) => ({
        status,
        about: words(response.description),
        formats: formatsOf(response.content),
        headers: Object.keys(response.headers ?? {}),
      })),
    refusals: told
      .filter(isRefusal)
      .map(({ status, response }) => ({ status, names: typesOf(response) }))
      .filter(({ names }) => names.length > 0),
  };
}

function accessOf({ security, "x-role": role }: Operation): string {
  const named = security.flatMap((scheme) => Object.keys(scheme));
  if (role !== undefined) return `For operators with the role ${role}${role === "admin" ? "" : " or a higher one"}.`;
  if (named.includes("login")) return "For whoever is logged in at /ops.";
  if (named.includes("owner")) return "For the holder of the instance.";
  return named.includes("scraper") ? "For programs of this machine, or with METRICS_TOKEN." : "For everybody.";
}

function formatsOf(content: Content = {}) {
  return Object.entries(content).map(([mediaType, { schema }]) => ({ mediaType, type: typeOf(schema) }));
}

/** Names of the problem types that a response may carry. */
function typesOf({ content }: Response): string[] {
  const { allOf = [] } = (content?.["application/problem+json"]?.schema ?? {}) as {
    allOf?: readonly { properties?: { type?: { enum?: readonly string[] } } }[];
  };
  return allOf.flatMap(({ properties }) => properties?.type?.enum ?? []).map((urn) => urn.replace(URN, ""));
}

function parameterField({ name, required, schema, description = "" }: Parameter): Field {
  return { name, isRequired: required, about: words(description), ...typeOf(schema) };
}

/** The fields of an object; those of an object in it that has no name of its own follow it, as "outer.inner". */
function fieldsOf(schema: SchemaObject, before = ""): Field[] {
  const needed = (schema["required"] ?? []) as readonly string[];
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, SchemaObject>>;
  return Object.entries(properties).flatMap(([name, field]) => [
    {
      name: `${before}${name}`,
      isRequired: needed.includes(name),
      about: wordsOf(field),
      ...typeOf(field),
    },
    ...alternativesOf(field).flatMap((each) => fieldsOf(each, `${before}${name}.`)),
  ]);
}

/** What a value may be, in some words: "integer, 60 to 86400". */
function typeOf(schema: SchemaObject): TypeWords {
  const { $ref, enum: choices, const: only, anyOf, items, type, format } = schema;
  if (typeof $ref === "string") {
    const name = REFERENCE.exec($ref)?.[2] ?? "";
    return { type: name, objects: [name] };
  }
  if (Array.isArray(choices)) return plain(choices.map(String).join(" | "));
  if (only !== undefined) return plain(shown(only));
  if (Array.isArray(anyOf)) {
    const each = alternativesOf(schema).map(typeOf);
    return { type: each.map((one) => one.type).join(" | "), objects: each.flatMap(({ objects }) => objects) };
  }
  if (type === "array") {
    const of = typeOf((items ?? {}) as SchemaObject);
    return { type: `list of ${of.type}`, objects: of.objects };
  }
  if (format === "date-time") return plain("time, as 2026-01-31T12:00:00Z");
  return plain([typeof type === "string" ? type : "any value", ...boundsOf(schema)].join(", "));
}

function plain(type: string): TypeWords {
  return { type, objects: [] };
}

function boundsOf({ minimum, maximum, minLength, maxLength, pattern, default: usual }: SchemaObject): string[] {
  const between = (least: unknown, most: unknown, unit: string): string[] => {
    if (least === undefined && most === undefined) return [];
    if (most === undefined) return [`${shown(least)}${unit} at least`];
    return [least === undefined ? `${shown(most)}${unit} at most` : `${shown(least)} to ${shown(most)}${unit}`];
  };
  return [
    ...between(minimum, maximum, ""),
    ...between(minLength, maxLength, " characters"),
    ...(typeof pattern === "string" ? [`form ${pattern}`] : []),
    ...(usual === undefined ? [] : [`${shown(usual)} if you send none`]),
  ];
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function alternativesOf(schema: SchemaObject): readonly SchemaObject[] {
  return Array.isArray(schema["anyOf"]) ? (schema["anyOf"] as readonly SchemaObject[]) : [schema];
}

function wordsOf(schema: SchemaObject): Words {
  const own = schema["description"];
  const inner = alternativesOf(schema).map((each) => each["description"]);
  return words([own, ...inner].find((text) => typeof text === "string") ?? "");
}

function resolve(document: OpenApiDocument, node: Response | Reference): unknown {
  if (!("$ref" in node)) return node;
  const [, kind = "", name = ""] = REFERENCE.exec(node.$ref) ?? [];
  return (document.components as Readonly<Record<string, Readonly<Record<string, unknown>>>>)[kind]?.[name];
}

/** A description in CommonMark, of which we use paragraphs, fenced programs, `code` and <links>. */
function blocks(text: string): Block[] {
  return text.split(/```\w*\n([^]*?)```/).flatMap((part, index): Block[] =>
    index % 2 === 1
      ? [{ program: part.trimEnd() }]
      : part
          .split(/\n\n+/)
          .map((paragraph) => paragraph.trim())
          .filter((paragraph) => paragraph !== "")
          .map((paragraph) => ({ words: words(paragraph) })),
  );
}

function words(text: string): Words {
  return text
    .split("`")
    .map((part, index) => ({ isCode: index % 2 === 1, text: part }))
    .filter((part) => part.text !== "");
}
