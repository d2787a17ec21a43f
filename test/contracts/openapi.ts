import { Ajv, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";

/** A request and its answer, as they went over the wire. */
export type Exchange = {
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  readonly requestBody: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
};

type Json = { readonly [key: string]: unknown };

const DOCUMENT = "contract";
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;

/**
 * Compares exchanges with an OpenAPI document, 3.0 or 3.1.
 * @param generalHeaders of the answers, in small letters: the only ones that the document need not name. When not
 *   given, answers may have any
 */
export function openContract(document: unknown, generalHeaders?: readonly string[]) {
  const isOld = String((document as Json)["openapi"]).startsWith("3.0");
  const root = (isOld ? withNulls(document) : document) as Json;
  const options = { strict: false, allErrors: true, validateSchema: false, unicodeRegExp: false };
  const ajv = isOld ? new Ajv(options) : new Ajv2020(options);
  formats.default(ajv);
  ajv.addSchema(root, DOCUMENT);
  const compiled = new Map<string, ValidateFunction>();

  /** Path and method of the operation that a request is for, as the document has them. */
  function operationOf({ method, url }: Pick<Exchange, "method" | "url">) {
    const { pathname } = new URL(url, "http://localhost");
    const paths = Object.keys(root["paths"] as Json).filter((path) =>
      new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`).test(pathname),
    );
    // A path without parameters is nearer than one with some.
    const [path] = paths.sort((one, other) => one.split("{").length - other.split("{").length);
    return path === undefined ? undefined : { path, method: method.toLowerCase() };
  }

  /** Everything in which an exchange differs from the document. */
  function differences(exchange: Exchange): string[] {
    const url = new URL(exchange.url, "http://localhost");
    const where = `${exchange.method} ${url.pathname} ${exchange.status}`;
    const found = operationOf(exchange);
    if (found === undefined) return [`${where}: the document has no such path`];
    const operation = `/paths/${escape(found.path)}/${found.method}`;
    if (at(operation) === undefined) return [`${where}: the document has no such method`];
    return [...ofQuery(operation, exchange), ...ofRequest(operation, exchange), ...ofAnswer(operation, exchange)].map(
      (text) => `${where}: ${text}`,
    );
  }

  /** A request that is refused may be as wrong as it likes. */
  function ofQuery(operation: string, { url, status }: Exchange): string[] {
    if (status >= 400) return [];
    const parameters = ((at(`${operation}/parameters`) ?? []) as Json[])
      .map((_, index) => resolve(`${operation}/parameters/${index}`))
      .filter(({ value }) => value["in"] === "query");
    return [...new URL(url, "http://localhost").searchParams].flatMap(([name, text]) => {
      const parameter = parameters.find(({ value }) => value["name"] === name);
      if (!parameter) return [`the document knows no parameter ${name}`];
      return errors(`${parameter.pointer}/schema`, fromText(parameter.value["schema"], text)).map(
        (error) => `parameter ${name} ${error}`,
      );
    });
  }

  function ofRequest(operation: string, { requestBody, status }: Exchange): string[] {
    if (status >= 300) return [];
    const body = at(`${operation}/requestBody`) as Json | undefined;
    if (requestBody === "") return body?.["required"] === true ? ["the document wants a request body"] : [];
    const pointer = `${operation}/requestBody/content/application~1json/schema`;
    return at(pointer) === undefined
      ? ["the document knows no request body"]
      : errors(pointer, JSON.parse(requestBody)).map((error) => `request ${error}`);
  }

  function ofAnswer(operation: string, { status, headers, body }: Exchange): string[] {
    const key = [String(status), "default"].find((name) => at(`${operation}/responses/${name}`) !== undefined);
    if (key === undefined || (key === "default" && status < 400)) return [`the document knows no such status`];
    const { pointer, value } = resolve(`${operation}/responses/${key}`);
    const ofHeaders = headerDifferences(pointer, headers);
    const content = value["content"] as Json | undefined;
    if (content === undefined)
      return [...ofHeaders, ...(body === "" ? [] : ["there is a body, and there should be none"])];
    const type = headers.get("content-type")?.split(";", 1)[0] ?? "of no type";
    if (content[type] === undefined) return [...ofHeaders, `the body is ${type}`];
    const told: unknown = JSON_TYPE.test(type) ? JSON.parse(body) : body;
    return [...ofHeaders, ...errors(`${pointer}/content/${escape(type)}/schema`, told)];
  }

  function headerDifferences(response: string, headers: Headers): string[] {
    const declared = Object.keys(at(`${response}/headers`) ?? {});
    const wrong = declared.flatMap((name) => {
      const { pointer, value } = resolve(`${response}/headers/${escape(name)}`);
      const sent = headers.get(name);
      // DigitalOcean's document requires none of its own, and each of its answers has them.
      const isNeeded = value["required"] === true || name.startsWith("ratelimit-");
      if (sent === null) return isNeeded ? [`header ${name} is missing`] : [];
      return errors(`${pointer}/schema`, fromText(value["schema"], sent)).map((error) => `header ${name} ${error}`);
    });
    const known = new Set([...declared.map((name) => name.toLowerCase()), ...(generalHeaders ?? [])]);
    const unknown = generalHeaders === undefined ? [] : [...headers.keys()].filter((name) => !known.has(name));
    return [...wrong, ...unknown.map((name) => `the document knows no header ${name}`)];
  }

  function errors(pointer: string, value: unknown): string[] {
    const validate = compiled.get(pointer) ?? ajv.compile(schemaAt(pointer));
    compiled.set(pointer, validate);
    return validate(value)
      ? []
      : (validate.errors ?? []).map(
          ({ instancePath, message = "", params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
        );
  }

  /** Where OpenAPI has the keywords for it, an answer has no field besides those of the document. */
  function schemaAt(pointer: string): object {
    const schema = { $ref: `${DOCUMENT}#${encodeURI(pointer)}` };
    return isOld ? schema : { ...schema, unevaluatedProperties: false };
  }

  /** What a pointer points at, references followed. */
  function resolve(pointer: string): { readonly pointer: string; readonly value: Json } {
    const value = at(pointer) as Json;
    return typeof value["$ref"] === "string" ? resolve(value["$ref"].slice(1)) : { pointer, value };
  }

  function at(pointer: string): unknown {
    let node: unknown = root;
    for (const key of pointer.split("/").slice(1))
      node = (node as Json | undefined)?.[key.replaceAll("~1", "/").replaceAll("~0", "~")];
    return node;
  }

  return { differences, operationOf };
}

/** A value of a query or header, of the type that its schema has. */
function fromText(schema: unknown, text: string): unknown {
  return (schema as Json)["type"] === "integer" && /^-?\d+$/.test(text) ? Number(text) : text;
}

function escape(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** OpenAPI 3.0 says `nullable` where JSON Schema has a type of its own for null. */
function withNulls(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withNulls);
  if (typeof node !== "object" || node === null) return node;
  const { nullable, ...rest } = Object.fromEntries<unknown>(
    Object.entries(node).map(([key, value]) => [key, withNulls(value)]),
  );
  return nullable === true ? { anyOf: [rest, { type: "null" }] } : rest;
}
