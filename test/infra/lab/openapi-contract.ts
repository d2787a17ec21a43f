import { Ajv, type ValidateFunction } from "ajv";
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

/** Compares exchanges with an OpenAPI 3.0 document. */
export function openContract(document: unknown) {
  const root = withNulls(document) as Json;
  const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false, unicodeRegExp: false });
  formats.default(ajv);
  ajv.addSchema(root, DOCUMENT);
  const compiled = new Map<string, ValidateFunction>();

  /** Everything in which an exchange differs from the document. */
  function differences(exchange: Exchange): string[] {
    const url = new URL(exchange.url, "http://localhost");
    const where = `${exchange.method} ${url.pathname} ${exchange.status}`;
    const template = Object.keys(root["paths"] as Json).find((path) =>
      new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`).test(url.pathname),
    );
    if (template === undefined) return [`${where}: the document has no such path`];
    const operation = `/paths/${escape(template)}/${exchange.method.toLowerCase()}`;
    if (at(operation) === undefined) return [`${where}: the document has no such method`];
    return [...ofQuery(operation, url), ...ofRequest(operation, exchange), ...ofAnswer(operation, exchange)].map(
      (text) => `${where}: ${text}`,
    );
  }

  function ofQuery(operation: string, url: URL): string[] {
    const parameters = ((at(`${operation}/parameters`) ?? []) as Json[])
      .map((_, index) => resolve(`${operation}/parameters/${index}`))
      .filter(({ value }) => value["in"] === "query");
    return [...url.searchParams].flatMap(([name, text]) => {
      const parameter = parameters.find(({ value }) => value["name"] === name);
      if (!parameter) return [`the document knows no parameter ${name}`];
      const isNumber = (parameter.value["schema"] as Json)["type"] === "integer";
      return errors(`${parameter.pointer}/schema`, isNumber ? Number(text) : text).map(
        (error) => `parameter ${name} ${error}`,
      );
    });
  }

  /** A request that is refused may be as wrong as it likes. */
  function ofRequest(operation: string, { requestBody, status }: Exchange): string[] {
    if (requestBody === "" || status >= 300) return [];
    const pointer = `${operation}/requestBody/content/application~1json/schema`;
    return at(pointer) === undefined
      ? ["the document knows no request body"]
      : errors(pointer, JSON.parse(requestBody)).map((error) => `request ${error}`);
  }

  function ofAnswer(operation: string, { status, headers, body }: Exchange): string[] {
    const key = [String(status), "default"].find((name) => at(`${operation}/responses/${name}`) !== undefined);
    if (key === undefined || (key === "default" && status < 400)) return [`the document knows no such status`];
    const { pointer, value } = resolve(`${operation}/responses/${key}`);
    const limits = Object.keys((value["headers"] ?? {}) as Json).filter(
      (name) => name.startsWith("ratelimit-") && !/^\d+$/.test(headers.get(name) ?? ""),
    );
    const missing = limits.map((name) => `header ${name} is ${headers.get(name) ?? "missing"}`);
    if (value["content"] === undefined)
      return [...missing, ...(body === "" ? [] : ["there is a body, and there should be none"])];
    if (!headers.get("content-type")?.startsWith("application/json"))
      return [...missing, `the body is ${headers.get("content-type") ?? "of no type"}`];
    return [...missing, ...errors(`${pointer}/content/application~1json/schema`, JSON.parse(body))];
  }

  function errors(pointer: string, value: unknown): string[] {
    const validate = compiled.get(pointer) ?? ajv.compile({ $ref: `${DOCUMENT}#${encodeURI(pointer)}` });
    compiled.set(pointer, validate);
    return validate(value)
      ? []
      : (validate.errors ?? []).map(({ instancePath, message = "" }) => `${instancePath} ${message}`);
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

  return { differences };
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
