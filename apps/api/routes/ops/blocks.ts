import { isIP } from "node:net";
import { Type, type Static } from "typebox";
import { addressKey } from "../../../core/instances/quota.ts";
import type { Blocks } from "../../../core/operator/contract.ts";
import { blockAddress, unblockAddress, type BlockAddressPorts } from "../../../core/operator/operate.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { App } from "../../app.ts";
import { problems } from "../../problems/problems.ts";
import { refusalsAndFaults } from "../schemas.ts";
import { forOperator, Moment } from "./schemas.ts";

/** What the calls on blocked addresses need. */
export type OpsBlockParts = BlockAddressPorts & { readonly store: { readonly blocks: Pick<Blocks, "list"> } };

const OpsBlock = Type.Object({ address: Type.String(), reason: Type.String(), blockedAt: Moment });
/** A blocked address as the operator reads it. */
export type OpsBlock = Static<typeof OpsBlock>;
const address = Type.String({ maxLength: 50 });
const schemas = {
  list: {
    ...forOperator,
    summary: "Addresses that get no instances, the newest first",
    response: { 200: Type.Array(OpsBlock), ...refusalsAndFaults },
  },
  add: {
    ...forOperator,
    summary: "Give an address, or an IPv6 /64, no more instances",
    description: "What it holds runs on.",
    body: Type.Object(
      { address, reason: Type.Optional(Type.String({ maxLength: 255 })) },
      { additionalProperties: false },
    ),
    response: { 201: Type.Pick(OpsBlock, ["address"]), ...refusalsAndFaults },
  },
  remove: {
    ...forOperator,
    summary: "Let an address have instances again",
    querystring: Type.Object({ address }, { additionalProperties: false }),
    response: { 204: Type.Null(), ...refusalsAndFaults },
  },
};

/** Blocked addresses. */
export function opsBlockRoutes(parts: OpsBlockParts) {
  return (app: App) => {
    app.get("/ops/api/blocks", { schema: schemas.list }, async () =>
      (await parts.store.blocks.list()).map((block) => ({ ...block, blockedAt: block.blockedAt.toISOString() })),
    );

    app.post("/ops/api/blocks", { schema: schemas.add }, async (request, reply) => {
      const address = keyOf(request.body.address);
      await blockAddress(parts, address, request.body.reason ?? "");
      request.log.info({ address }, "operator blocked an address");
      return reply.code(201).send({ address });
    });

    app.delete("/ops/api/blocks", { schema: schemas.remove }, async (request, reply) => {
      const address = keyOf(request.query.address);
      if (!(await unblockAddress(parts, address))) throw new ProblemError(problems.notBlocked());
      request.log.info({ address }, "operator unblocked an address");
      return reply.code(204).send(null);
    });
  };
}

/** The key that quotas count an address by; the address may be given as that key. */
function keyOf(text: string): string {
  const address = text.trim().replace(/\/64$/, "");
  if (isIP(address) === 0) throw new ProblemError(problems.notAnAddress());
  return addressKey(address);
}
