import { STATUS_CODES } from "node:http";
import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import type { FastifySchema } from "fastify";
import type { OperatorFacts } from "../../core/settings/operator.ts";
import { ProblemBody } from "../problems/problem-body.ts";
import { refusalsOf, type CallForm } from "./call-refusals.ts";
import { liftSchemas } from "./components.ts";
import { refusalResponses, type ProblemName } from "./refusal-responses.ts";

/** The part of an OpenAPI 3.1 document that is read here. */
export type OpenApiDocument = {
  readonly info: { readonly title: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, SchemaObject>> };
};
export type Operation = {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, Response | Reference>>;
  /** Role that an operator has to have for it. */
  readonly "x-role"?: string;
};
export type Parameter = {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly description?: string;
  readonly schema: SchemaObject;
};
export type Response = {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly description?: string } | Reference>>;
  readonly content?: Content;
};
export type Content = Readonly<Record<string, { readonly schema: SchemaObject }>>;
export type Reference = { readonly $ref: string };
export type SchemaObject = { readonly [key: string]: unknown };

/** What holds for each service of its own: who runs it, what it keeps, and the bounds of a lease. */
export type ServiceFacts = {
  readonly operator: OperatorFacts;
  /** What is kept of visitors, in sentences. */
  readonly kept: readonly string[];
  readonly limits: { readonly ttlSeconds: number; readonly minTtlSeconds: number; readonly maxTtlSeconds: number };
};

/** Under this key the types that a call can be refused with wait for {@link finishDocument}. */
const REFUSALS = "x-refusals";

/** What the document says of the whole service. */
export function documentHead({ operator, kept }: ServiceFacts): NonNullable<FastifyDynamicSwaggerOptions["openapi"]> {
  return {
    openapi: "3.1.0",
    info: {
      title: "Get a Redis",
      version: "1",
      license: { name: "MIT", identifier: "MIT" },
      description: [
        "One call starts a private Redis for some hours. Nobody signs up.",
        "Every refusal is `application/problem+json` with a `type` that never changes its name. A call that sends " +
          "`Accept: text/plain` gets one line of text instead, and a browser gets a page. With 429 and 503, " +
          "`Retry-After` says when to come back.",
        "A field of the body or a parameter of the query that a call does not know is refused with 400.",
        `What is kept of visitors: ${kept.join(" ")}`,
        ...(operator.privacyUrl === undefined ? [] : [`The operator's privacy notice: <${operator.privacyUrl}>`]),
      ].join("\n\n"),
      ...(operator.termsUrl !== undefined && { termsOfService: operator.termsUrl }),
      ...((operator.name ?? operator.contact) !== undefined && { contact: contactOf(operator) }),
    },
    servers: [{ url: "/", description: "This service" }],
    ...(operator.sourceUrl !== undefined && {
      externalDocs: { description: "Source of this service", url: operator.sourceUrl },
    }),
    tags: [
      { name: "instances", description: "Getting an instance, and what its holder does with it." },
      { name: "service", description: "Counts, health and metrics." },
      { name: "operator", description: "Only the operator of this service makes these calls." },
    ],
    components: {
      securitySchemes: {
        owner: {
          type: "http",
          scheme: "bearer",
          description: "The token or the Redis password that came with the instance.",
        },
        password: {
          type: "http",
          scheme: "basic",
          description: "The Redis password that came with the instance, of the user default.",
        },
        operator: { type: "http", scheme: "bearer", description: "The operator's token." },
        login: {
          type: "apiKey",
          in: "cookie",
          name: "getaredis_ops",
          description: "The cookie of a login at /ops. A browser sends it by itself.",
        },
        scraper: { type: "http", scheme: "bearer", description: "METRICS_TOKEN, if that is set." },
      },
    },
  };
}

/** The schema of a call as the document needs it: with the types that the call can be refused with. */
export function describeCall(schema: FastifySchema, form: Pick<CallForm, "method" | "isProbe">): FastifySchema {
  const { refusals = [], ...rest } = schema;
  const security = schema.security ?? [];
  const role = schema["x-role"];
  const names = refusalsOf({ ...form, takesParams: schema.params !== undefined, security, role, refusals });
  return { ...rest, security, [REFUSALS]: names } as FastifySchema;
}

/** The document as it is served: shared parts as components, refusals of each call, bounds of this service. */
export function finishDocument(document: object, { limits }: ServiceFacts): OpenApiDocument {
  const { paths, components, ...head } = document as Draft;
  const schemas: Record<string, unknown> = {
    ProblemText: { type: "string", description: "Title and detail of a problem, as text." },
    Page: { type: "string", description: "A page for browsers, in HTML." },
  };
  liftSchemas(ProblemBody, schemas);
  const responses: Record<string, object> = {};
  const finished = Object.fromEntries(
    Object.entries(paths).map(([path, item]) => [
      path,
      Object.fromEntries(
        Object.entries(item).map(([method, operation]) => [method, finishOperation(operation, schemas, responses)]),
      ),
    ]),
  );
  bound(schemas, limits);
  return {
    ...head,
    paths: finished,
    components: {
      ...components,
      headers: {
        RetryAfter: {
          description: "Seconds after which to try again.",
          required: true,
          schema: { type: "integer", minimum: 0 },
        },
        Authenticate: {
          description: "The ways to authenticate (RFC 9110).",
          schema: { type: "string" },
        },
      },
      responses: sorted(responses),
      schemas: sorted(schemas),
    },
  } as unknown as OpenApiDocument;
}

type Draft = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DraftOperation>>>>;
  readonly components: object;
};
type DraftOperation = {
  readonly operationId: string;
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, Response>>;
  readonly [REFUSALS]: readonly ProblemName[];
};

function finishOperation(
  { [REFUSALS]: names, ...operation }: DraftOperation,
  schemas: Record<string, unknown>,
  components: Record<string, object>,
): object {
  const { requestBody, responses } = operation;
  const refusals = refusalResponses(operation.operationId, names);
  for (const { name, response } of refusals) components[name] = response;
  const content = Object.values(requestBody?.content ?? {})[0];
  return liftSchemas(
    {
      ...operation,
      // What needs no field may be left out.
      ...(requestBody && { requestBody: { ...requestBody, required: content?.schema["required"] !== undefined } }),
      responses: {
        ...Object.fromEntries(
          Object.entries(responses).map(([status, response]) => [
            status,
            {
              ...response,
              description: response.description.replace(/^Default Response$/, STATUS_CODES[status] ?? ""),
            },
          ]),
        ),
        ...Object.fromEntries(
          refusals
            // Readiness tells its 503 in a form of its own.
            .filter(({ status }) => responses[status] === undefined)
            .map(({ status, name }) => [status, { $ref: `#/components/responses/${name}` }]),
        ),
      },
    },
    schemas,
  ) as object;
}

/** Adds to the fields for lifetimes the bounds that the settings of this service give them. */
function bound(schemas: Record<string, unknown>, { ttlSeconds, minTtlSeconds, maxTtlSeconds }: ServiceFacts["limits"]) {
  const bounds = { minimum: minTtlSeconds, maximum: maxTtlSeconds };
  const fields = { NewInstance: { ...bounds, default: ttlSeconds }, NewLease: bounds };
  for (const [name, more] of Object.entries(fields)) {
    const schema = schemas[name] as { properties: { ttlSeconds: object } };
    const example = Math.min(Math.max(3600, minTtlSeconds), maxTtlSeconds);
    schemas[name] = {
      ...schema,
      properties: {
        ...schema.properties,
        ttlSeconds: { ...schema.properties.ttlSeconds, ...more, examples: [example] },
      },
      examples: [{ ttlSeconds: example }],
    };
  }
}

function sorted<Value>(record: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).sort(([one], [other]) => (one < other ? -1 : 1)));
}

function contactOf({ name, contact }: OperatorFacts): { name?: string; email?: string; url?: string } {
  const isMail = contact !== undefined && !URL.canParse(contact);
  return {
    ...(name !== undefined && { name }),
    ...(contact !== undefined && (isMail ? { email: contact } : { url: contact })),
  };
}
