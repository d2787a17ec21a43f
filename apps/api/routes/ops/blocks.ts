import { Type, type Static } from "typebox";
import type { Leases } from "../../../core/instances/contract.ts";
import type { Blocks } from "../../../core/operator/contract.ts";
import { networksAround, readNetwork } from "../../../core/operator/networks.ts";
import { blockNetwork, countHoldings, unblockNetwork, type BlockPorts } from "../../../core/operator/operate.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { App } from "../../app.ts";
import { callerKey } from "../../callers/caller-key.ts";
import { problems } from "../../problems/problems.ts";
import { refusalsAndFaults } from "../schemas.ts";
import { callerOf } from "./callers.ts";
import { forOperator, futureMoment, Moment } from "./schemas.ts";

/** What the calls on blocked networks need. */
export type OpsBlockParts = BlockPorts & {
  readonly store: {
    readonly blocks: Pick<Blocks, "list" | "countListed" | "findListed">;
    readonly leases: Pick<Leases, "listHeld">;
  };
};

const OpsBlock = Type.Object({
  address: Type.String({ description: "An address, or a network in CIDR notation" }),
  reason: Type.String(),
  blockedAt: Moment,
  until: Moment,
  by: Type.Union([Type.String(), Type.Null()], { description: "Address that the operator called from" }),
});
/** A blocked network as the operator reads it. */
export type OpsBlock = Static<typeof OpsBlock>;
const OpsHoldings = Type.Object({
  address: Type.String({ description: "The network in its one form" }),
  instances: Type.Integer({ description: "Instances that start or run for its addresses" }),
  holders: Type.Integer({ description: "Addresses that hold them" }),
  blocks: Type.Array(OpsBlock, { description: "Blocks in force that hold the whole network, the newest first" }),
  listed: Type.Array(Type.String(), { description: "Networks of the list that hold the whole network" }),
});
/** What a network holds, as the operator reads it. */
export type OpsHoldings = Static<typeof OpsHoldings>;
const NewOpsBlock = Type.Object(
  {
    address: Type.String({
      maxLength: 50,
      description: "An address, or a network: IPv4 from /8 to /32, IPv6 from /16 to /64; an IPv6 address is its /64",
    }),
    reason: Type.Optional(Type.String({ maxLength: 255 })),
    until: Type.Optional(Type.String({ format: "date-time", description: "Ends by itself then; else it stays" })),
    endInstances: Type.Optional(Type.Boolean({ description: "Ends all that its addresses hold; false if not given" })),
  },
  { additionalProperties: false },
);
/** A block to be made, as the operator sends it. */
export type NewOpsBlock = Static<typeof NewOpsBlock>;
const OpsBlockMade = Type.Object({
  address: Type.String({ description: "The network in its one form" }),
  ended: Type.Integer({ description: "Instances whose leases this call has ended" }),
});
/** What came of a block. */
export type OpsBlockMade = Static<typeof OpsBlockMade>;
const OneNetwork = Type.Object({ address: Type.String({ maxLength: 50 }) }, { additionalProperties: false });

const schemas = {
  list: {
    ...forOperator,
    summary: "Networks that get no instances by the operator's word, the newest first",
    description: "The header total-count counts the networks of BLOCK_LIST_FILE as well.",
    response: { 200: Type.Array(OpsBlock), ...refusalsAndFaults },
  },
  preview: {
    ...forOperator,
    summary: "What the addresses of a network hold, and what blocks them already",
    querystring: OneNetwork,
    response: { 200: OpsHoldings, ...refusalsAndFaults },
  },
  add: {
    ...forOperator,
    summary: "Give an address or a network no more instances, and end what it holds if asked",
    description:
      "Without endInstances, what it holds runs on. With it, leases end at once and containers are removed by the " +
      "reaper, which is asked to run; no hand-out that is under way passes by.",
    body: NewOpsBlock,
    response: { 201: OpsBlockMade, ...refusalsAndFaults },
  },
  remove: {
    ...forOperator,
    summary: "Let an address or a network have instances again",
    querystring: OneNetwork,
    response: { 204: Type.Null(), ...refusalsAndFaults },
  },
};

/** Blocked networks. */
export function opsBlockRoutes(parts: OpsBlockParts) {
  const { clock } = parts;
  const { blocks } = parts.store;
  const inForce = async (): Promise<OpsBlock[]> =>
    (await blocks.list(clock())).map(({ blockedAt, until, ...block }) => ({
      ...block,
      blockedAt: blockedAt.toISOString(),
      until: until?.toISOString() ?? null,
    }));

  return (app: App) => {
    app.get("/ops/api/blocks", { schema: schemas.list }, async (_request, reply) => {
      const [list, listed] = await Promise.all([inForce(), blocks.countListed()]);
      return reply.header("total-count", String(list.length + listed)).send(list);
    });

    app.get("/ops/api/blocks/preview", { schema: schemas.preview }, async (request) => {
      const address = networkIn(request.query.address);
      const around = networksAround(address);
      const [holdings, list, listed] = await Promise.all([
        countHoldings(parts, address),
        inForce(),
        blocks.findListed(around),
      ]);
      return { address, ...holdings, blocks: list.filter((block) => around.includes(block.address)), listed };
    });

    app.post("/ops/api/blocks", { schema: schemas.add }, async (request, reply) => {
      const { reason = "", until, endInstances = false } = request.body;
      const address = networkIn(request.body.address);
      const end = until === undefined ? null : futureMoment(until, clock());
      if (end === undefined) throw new ProblemError(problems.invalid("until must be in the future."));
      const by = callerOf(request).name;
      const block = { address, reason, until: end, by: callerKey(request) };
      const ended = await blockNetwork(parts, by, block, endInstances);
      request.log.info({ by, address, until, ended }, "operator blocked a network");
      return reply.code(201).send({ address, ended });
    });

    app.delete("/ops/api/blocks", { schema: schemas.remove }, async (request, reply) => {
      const address = networkIn(request.query.address);
      const by = callerOf(request).name;
      if (!(await unblockNetwork(parts, by, address))) throw new ProblemError(problems.notBlocked());
      request.log.info({ by, address }, "operator unblocked a network");
      return reply.code(204).send(null);
    });
  };
}

/** The network that a text names, in its one form. */
function networkIn(text: string): string {
  const reading = readNetwork(text);
  if (reading.kind === "refused") throw new ProblemError(problems.invalid(`address: ${reading.reason}.`));
  return reading.network;
}
