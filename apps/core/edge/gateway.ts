import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { protocols } from "../balance/service.ts";

/** A gateway tells of itself each second: of long lists it tells the beginning. */
export const MOST_SERVICES_TOLD = 100;
export const MOST_TOLD = 10;

/** What gateways may be called: it stands in keys and in events. */
export const gatewayNamePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * `joining`: it looks for the last time what it has to carry, and must be waited for already; `live`: it carries all
 * routes; `draining`: it carries them, and is to get no new clients.
 */
export const gatewayStates = ["joining", "live", "draining"] as const;

const count = Type.Integer({ minimum: 0 });

/** What it has done since its plane was started, and how far it is behind. */
const Figures = Type.Object(
  {
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
  },
  { additionalProperties: false },
);
const ServiceReport = Type.Object(
  {
    name: Type.String({ maxLength: 300 }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    protocol: Type.Enum([...protocols]),
    /** Names in TLS or domains, the first ones of many. */
    names: Type.Array(Type.String({ maxLength: 253 }), { maxItems: MOST_TOLD }),
    /** Members by state. */
    up: count,
    retired: count,
    draining: count,
    unknown: count,
    /** Addresses of those that are retired, the first ones of many. */
    retiredMembers: Type.Array(Type.String({ maxLength: 64 }), { maxItems: MOST_TOLD }),
  },
  { additionalProperties: false },
);

const Gateway = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 63, pattern: gatewayNamePattern.source }),
    state: Type.Enum([...gatewayStates]),
    /** Addresses that names under the edge's domain lead to. */
    addresses: Type.Array(Type.String({ minLength: 2, maxLength: 45 }), { maxItems: 8 }),
    routes: Type.Integer({ minimum: 0 }),
    connections: Type.Integer({ minimum: 0 }),
    version: Type.String({ maxLength: 40 }),
    figures: Figures,
    /** Services that it carries besides instances: how many, and the first ones of many, by name. */
    serviceCount: count,
    services: Type.Array(ServiceReport, { maxItems: MOST_SERVICES_TOLD }),
  },
  { additionalProperties: false },
);
const schema = Compile(Gateway);

/** What a gateway says of itself each second, under a key that ends by itself: by no clock of its own. */
export type Gateway = Static<typeof Gateway>;

/** How a gateway carries a service. */
export type ServiceReport = Static<typeof ServiceReport>;

/** The value of a gateway's key; undefined when it is none, or another gateway's. */
export function parseGateway(name: string, value: string): Gateway | undefined {
  let gateway: unknown;
  try {
    gateway = JSON.parse(value);
  } catch {
    return undefined;
  }
  return schema.Check(gateway) && gateway.name === name ? gateway : undefined;
}
