import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { Clean } from "typebox/value";

export const MOST_MACHINE_ADDRESSES = 32;

/** What gateways may be called: it stands in keys and in events. */
export const gatewayNamePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * `joining`: it looks for the last time what it has to carry, and must be waited for already; `live`: it carries all
 * routes; `draining`: it carries them, and is to get no new clients.
 */
export const gatewayStates = ["joining", "live", "draining"] as const;

const count = Type.Integer({ minimum: 0 });

/** What it has done since its plane was started, and how far it is behind. */
const Figures = Type.Object({
  mostConnections: count,
  accepted: count,
  handshakes: count,
  failedHandshakes: count,
  /** As clients see them: `bytesIn` come from them. */
  bytesIn: count,
  bytesOut: count,
  reloads: count,
  /** Time since it last carried all that was kept by then. */
  lagMs: count,
});

/** What is added here is optional: gateways of the version before do not tell it. */
const Gateway = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 63, pattern: gatewayNamePattern.source }),
  state: Type.Enum([...gatewayStates]),
  /** Addresses that names under the edge's domain lead to. */
  addresses: Type.Array(Type.String({ minLength: 2, maxLength: 45 }), { maxItems: 8 }),
  routes: Type.Integer({ minimum: 0 }),
  connections: Type.Integer({ minimum: 0 }),
  version: Type.String({ maxLength: 40 }),
  figures: Figures,
  /** Instances that it cannot lead to, because their hosts are known by a name and no IP address. */
  unroutable: Type.Optional(count),
  /** Addresses of its machine, also on private networks: where other gateways must send nothing. */
  machineAddresses: Type.Optional(
    Type.Array(Type.String({ minLength: 2, maxLength: 45 }), { maxItems: MOST_MACHINE_ADDRESSES }),
  ),
});
const schema = Compile(Gateway);

/** What a gateway says of itself each second, under a key that ends by itself: by no clock of its own. */
export type Gateway = Static<typeof Gateway>;

/**
 * The value of a gateway's key; undefined when it is none, or another gateway's. Fields that a newer gateway tells are
 * left out.
 */
export function parseGateway(name: string, value: string): Gateway | undefined {
  let gateway: unknown;
  try {
    gateway = JSON.parse(value);
  } catch {
    return undefined;
  }
  return schema.Check(gateway) && gateway.name === name ? (Clean(Gateway, gateway) as Gateway) : undefined;
}
