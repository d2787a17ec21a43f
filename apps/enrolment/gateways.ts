import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import { Type } from "typebox";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:https";
import type { Announcers, Services } from "../core/balance/contract.ts";
import type { Routes } from "../core/edge/contract.ts";
import { gatewayNamePattern } from "../core/edge/gateway.ts";
import { isToldEvent } from "../core/edge/told-event.ts";
import type { Events } from "../core/events/contract.ts";
import type { FleetEvent } from "../core/events/event.ts";
import type { GatewayDroplets } from "../core/fleet/contract.ts";
import { enrolGateway, type EnrolGatewayPorts } from "../core/fleet/enrol-gateway.ts";
import { generalProblems, ProblemError } from "../lib/http/problem.ts";
import { bearerToken } from "../lib/http/requests.ts";
import { hashSecret } from "../lib/secrets.ts";
import { problems } from "./problems.ts";

/** The server, to which rooms of routes are added. */
type EnrolmentApp = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>;

/** What gateways on droplets are served from. */
export type GatewayParts = EnrolGatewayPorts & {
  readonly store: {
    readonly gatewayDroplets: Pick<GatewayDroplets, "enrol" | "identify">;
    readonly routes: Routes;
    readonly services: Pick<Services, "list">;
    readonly announcers: Pick<Announcers, "list">;
    readonly events: Pick<Events, "add">;
  };
  /** @throws when there is none, with the reason */
  readonly readCertificate: () => Promise<{ readonly chain: string; readonly key: string }>;
  /** Files of the program, and the Node.js that runs it. */
  readonly program: () => Promise<{ readonly files: ReadonlyMap<string, Buffer>; readonly nodeFile: string }>;
  readonly clock: () => Date;
};

const MTIME = new Date(0);
/** Instances that one request asks for besides what has changed. */
const MOST_NAMED = 10_000;
const MIB = 1024 * 1024;

const Name = Type.Object({ name: Type.String({ pattern: gatewayNamePattern.source }) });
const RoutesAsked = Type.Object(
  {
    at: Type.Optional(Type.Number()),
    named: Type.Array(Type.String({ pattern: "^[0-9a-z]{16}$" }), { maxItems: MOST_NAMED }),
  },
  { additionalProperties: false },
);

/**
 * What gateways on droplets ask for: their settings once, by the token they were ordered with; then, by the secret that
 * they have made, their program, their certificate, what they have to carry, and a place for what happens to them.
 */
export function gatewayRoutes(parts: GatewayParts, logger: FastifyBaseLogger) {
  const { store } = parts;

  /** Before a body is read. */
  async function identify(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const secret = bearerToken(request);
    if (secret === undefined) throw new ProblemError(problems.tokenMissing());
    const { name } = request.params as { name: string };
    const gateway = await store.gatewayDroplets.identify(name, hashSecret(secret));
    if (!gateway) throw new ProblemError(problems.gatewayUnknown());
    // In each answer: so it knows within a second.
    reply.header("x-gateway-drains", String(gateway.isDraining)).header("cache-control", "no-store");
  }

  return (app: EnrolmentApp) => {
    app.addContentTypeParser("application/json", { parseAs: "string" }, app.getDefaultJsonParser("error", "error"));
    const asked = { schema: { params: Name }, config: { rateLimit: false } } as const;

    app.post("/gateways/:name/enrolment", { schema: { params: Name } }, async (request, reply) => {
      const token = bearerToken(request);
      if (token === undefined) throw new ProblemError(problems.tokenMissing());
      const { name } = request.params;
      const [, secretHash] = /^([0-9a-f]{64})\n?$/.exec(typeof request.body === "string" ? request.body : "") ?? [];
      if (secretHash === undefined) throw new ProblemError(generalProblems.invalid("The body is no SHA-256 in hex."));
      const result = await enrolGateway(parts, {
        name,
        tokenHash: hashSecret(token),
        secretHash: Buffer.from(secretHash, "hex"),
      });
      if (result.kind === "refused") {
        logger.warn({ gateway: name, address: request.ip }, "enrolment refused");
        throw new ProblemError(problems.tokenWrong());
      }
      logger.info({ gateway: name, address: request.ip }, "gateway enrolled");
      return reply.type("text/plain").header("cache-control", "no-store").send(result.environment);
    });

    app.get("/gateways/:name/program", { ...asked, onRequest: identify }, async (_request, reply) => {
      const { files, nodeFile } = await parts.program();
      const { size } = await stat(nodeFile);
      const tar = pack();
      const write = async () => {
        for (const [name, content] of files) tar.entry({ name, mode: 0o644, mtime: MTIME }, content);
        await pipeline(createReadStream(nodeFile), tar.entry({ name: "node", mode: 0o755, mtime: MTIME, size }));
        tar.finalize();
      };
      // The connection ends then, and whoever asked sees that it has not all.
      write().catch((fault: unknown) => tar.destroy(fault as Error));
      return reply.type("application/x-tar").send(tar);
    });

    app.get("/gateways/:name/certificate", { ...asked, onRequest: identify }, async (request, reply) => {
      const { chain, key } = await parts.readCertificate();
      const etag = `"${createHash("sha256").update(chain).update(key).digest("hex")}"`;
      reply.header("etag", etag);
      if (request.headers["if-none-match"] === etag) return reply.code(304).send();
      return reply.send({ chain, key });
    });

    app.post(
      "/gateways/:name/routes",
      { ...asked, schema: { ...asked.schema, body: RoutesAsked }, onRequest: identify, bodyLimit: MIB },
      ({ body: { at, named } }) => store.routes.read(at === undefined ? undefined : { at }, named),
    );

    app.get("/gateways/:name/services", { ...asked, onRequest: identify }, async () => {
      const [services, announcers] = await Promise.all([store.services.list(), store.announcers.list()]);
      // Not what their passwords are derived from.
      return { services, announcers: announcers.map(({ name, applications }) => ({ name, applications })) };
    });

    app.post("/gateways/:name/events", { ...asked, onRequest: identify }, async ({ body, params }, reply) => {
      if (!isToldEvent(body)) throw new ProblemError(generalProblems.invalid("The body is no event of a gateway."));
      await store.events.add({ actor: "gateway", host: params.name, ...body } as FleetEvent, parts.clock());
      return reply.code(204).send();
    });
  };
}
