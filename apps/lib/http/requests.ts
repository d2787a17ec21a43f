import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";

const LONGEST_PATH = 200;
/** Most bytes and time for reading an unwanted body: far more than an honest mistake needs. */
const MOST_BYTES = 1024 * 1024;
const READING_MS = 2_000;

/** The token of an `Authorization: Bearer` header (RFC 6750), or undefined. */
export function bearerToken(request: FastifyRequest): string | undefined {
  return /^Bearer +([\w~+/.-]+=*)$/i.exec(request.headers.authorization ?? "")?.[1];
}

/** User and password of an `Authorization: Basic` header (RFC 7617), or undefined. */
export function basicCredentials(
  request: FastifyRequest,
): { readonly user: string; readonly password: string } | undefined {
  const [, encoded] = /^Basic +([\w+/-]+=*)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (encoded === undefined) return undefined;
  const [, user, password] = /^([^:]*):([^]*)$/.exec(Buffer.from(encoded, "base64").toString("utf8")) ?? [];
  return user === undefined || password === undefined ? undefined : { user, password };
}

/** The path that a request asks for, without its query, and cut where it is too long for a log line or a message. */
export function pathOf(request: FastifyRequest): string {
  return request.url.split("?", 1)[0]?.slice(0, LONGEST_PATH) ?? "";
}

/** Treats an empty body as no body, also when JSON is announced: many clients always announce it, with DELETE too. */
export function takeEmptyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "ignore");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) =>
    body === "" ? done(null, undefined) : parse(request, body as string, done),
  );
}

/**
 * Lets a client that is still sending its body receive the refusal. A connection that is closed with unread
 * bytes is reset, and the answer is lost with it (RFC 9112, section 9.6).
 */
export function readOutRefusedBodies(app: FastifyInstance): void {
  app.addHook("onError", async ({ raw }, reply) => {
    if (reply.getHeader("connection") === "close" && !raw.readableEnded) await readOut(raw);
  });
}

/** Resolves when the body has been read, or exceeds the bounds. */
function readOut(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0;
    const end = () => {
      clearTimeout(timer);
      request.off("data", count);
      resolve();
    };
    const count = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) end();
    };
    const timer = setTimeout(end, READING_MS);
    request.on("data", count).once("end", end).once("close", end);
  });
}
