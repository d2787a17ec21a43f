import { Type, type Static } from "typebox";
import type { Leases } from "../../../core/instances/contract.ts";
import type { Blocks } from "../../../core/operator/contract.ts";
import { networksAround, readNetwork } from "../../../core/operator/networks.ts";
import { blockNetwork, countHoldings, unblockNetwork, type BlockPorts } from "../../../core/operator/operate.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import type { App } from "../../app.ts";
import { callerKey } from "../../callers/caller-key.ts";
import { problems } from "../../problems/problems.ts";
import { callerOf } from "./callers.ts";
import { forOperator, futureMoment, moment } from "./schemas.ts";

/** What the calls on blocked networks need. */
export type OpsBlockParts = BlockPorts & {
  readonly store: {
    readonly blocks: Pick<Blocks, "list" | "countListed" | "findListed">;
    readonly leases: Pick<Leases, "listHeld">;
  };
};

const OpsBlock = Type.Object(
  {
    address: Type.String({ description: "The blocked address, or network in CIDR notation." }),
    reason: Type.String({ description: "Why, in the operator's words." }),
    blockedAt: Type.String({ format: "date-time", description: "When it was blocked." }),
    until: moment("When the block ends by itself. null: never."),
    by: Type.Union([Type.String(), Type.Null()], { description: "Address that the operator called from." }),
  },
  { title: "Block", description: "A network that gets no instances." },
);
/** A blocked network as the operator reads it. */
export type OpsBlock = Static<typeof OpsBlock>;
const OpsHoldings = Type.Object(
  {
    address: Type.String({ description: "The network, as the service writes it." }),
    instances: Type.Integer({ description: "Instances that start or run for its addresses." }),
    holders: Type.Integer({ description: "Addresses that hold them." }),
    blocks: Type.Array(OpsBlock, { description: "Blocks that cover the whole network, the newest first." }),
    listed: Type.Array(Type.String(), {
      description: "Networks of BLOCK_LIST_FILE that cover the whole network.",
    }),
  },
  { title: "Holdings", description: "What the addresses of a network hold." },
);
/** What a network holds, as the operator reads it. */
export type OpsHoldings = Static<typeof OpsHoldings>;
const NewOpsBlock = Type.Object(
  {
    address: Type.String({
      maxLength: 50,
      description:
        "An address or a network: IPv4 from /8 to /32, IPv6 from /16 to /64. An IPv6 address stands for its /64.",
      examples: ["192.0.2.0/24"],
    }),
    reason: Type.Optional(
      Type.String({ maxLength: 255, description: "Why, in your words.", examples: ["Port scans"] }),
    ),
    until: Type.Optional(
      Type.String({ format: "date-time", description: "When the block ends by itself. It stays if you send none." }),
    ),
    endInstances: Type.Optional(
      Type.Boolean({ description: "Whether to end all that its addresses hold. false if you send none." }),
    ),
  },
  { additionalProperties: false, title: "NewBlock", description: "A network to block." },
);
/** A block to be made, as the operator sends it. */
export type NewOpsBlock = Static<typeof NewOpsBlock>;
const OpsBlockMade = Type.Object(
  {
    address: Type.String({ description: "The network, as the service writes it." }),
    ended: Type.Integer({ description: "Instances that this call has ended." }),
  },
  { title: "BlockMade", description: "What came of a new block." },
);
/** What came of a block. */
export type OpsBlockMade = Static<typeof OpsBlockMade>;
const OneNetwork = Type.Object(
  {
    address: Type.String({
      maxLength: 50,
      description: "An address, or a network in CIDR notation.",
      examples: ["192.0.2.0/24"],
    }),
  },
  { additionalProperties: false },
);

const schemas = {
  list: {
    ...forOperator,
    operationId: "listBlocks",
    summary: "List blocks",
    description: "Lists the networks that operators have blocked, the newest first.",
    response: {
      200: {
        description: "The blocks.",
        headers: {
          "Total-Count": Type.Integer({ description: "All blocked networks, those of BLOCK_LIST_FILE included." }),
        },
        content: { "application/json": { schema: Type.Array(OpsBlock) } },
      },
    },
  },
  preview: {
    ...forOperator,
    operationId: "previewBlock",
    summary: "Read what a block would meet",
    description: "Tells what the addresses of a network hold, and which blocks cover it already.",
    querystring: OneNetwork,
    response: { 200: OpsHoldings },
  },
  add: {
    ...forOperator,
    operationId: "addBlock",
    summary: "Block an address or a network",
    description:
      "Its addresses get no more instances. What they hold runs on, unless you send `endInstances`: then it ends at " +
      "once, together with all that is being started for them.",
    body: NewOpsBlock,
    response: { 201: OpsBlockMade },
  },
  remove: {
    ...forOperator,
    operationId: "removeBlock",
    summary: "Remove a block",
    description: "The addresses of the network can get instances again.",
    querystring: OneNetwork,
    response: { 204: Type.Null({ description: "The block is removed." }) },
    refusals: ["not-found"] satisfies ProblemName[],
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
