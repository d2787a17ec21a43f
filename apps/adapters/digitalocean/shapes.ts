import { Type, type Static, type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import type { CloudDroplet } from "../../core/fleet/cloud.ts";

const Address = Type.Object({ ip_address: Type.String(), type: Type.String() });

const Droplet = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  name: Type.String({ minLength: 1 }),
  status: Type.Union([Type.Literal("new"), Type.Literal("active"), Type.Literal("off"), Type.Literal("archive")]),
  created_at: Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d" }),
  region: Type.Object({ slug: Type.String() }),
  size_slug: Type.String(),
  memory: Type.Integer({ minimum: 1 }),
  size: Type.Object({ price_hourly: Type.Number({ minimum: 0 }) }),
  networks: Type.Object({ v4: Type.Optional(Type.Array(Address)) }),
  tags: Type.Array(Type.String()),
});

const Targets = Type.Object({ addresses: Type.Optional(Type.Array(Type.String())) });
const Rule = Type.Object({ protocol: Type.String(), ports: Type.String() });

/** A firewall as the API reports it. */
export type FirewallAnswer = Static<typeof Firewall>;
const Firewall = Type.Object({
  id: Type.String({ minLength: 1 }),
  name: Type.String(),
  inbound_rules: Type.Union([Type.Array(Type.Intersect([Rule, Type.Object({ sources: Targets })])), Type.Null()]),
  outbound_rules: Type.Union([Type.Array(Type.Intersect([Rule, Type.Object({ destinations: Targets })])), Type.Null()]),
  droplet_ids: Type.Optional(Type.Union([Type.Array(Type.Integer()), Type.Null()])),
  tags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
});

/** A page of a list: where the next one is, and how many there are over all pages. */
export const pageShape = shape(
  Type.Object({
    links: Type.Optional(Type.Object({ pages: Type.Optional(Type.Object({ next: Type.Optional(Type.String()) })) })),
    meta: Type.Object({ total: Type.Integer({ minimum: 0 }) }),
  }),
);
export const dropletShape = shape(Droplet);
export const firewallShape = shape(Firewall);
export const accountShape = shape(
  Type.Object({
    droplet_limit: Type.Integer({ minimum: 0 }),
    status: Type.Union([Type.Literal("active"), Type.Literal("warning"), Type.Literal("locked")]),
    status_message: Type.String(),
  }),
);
export const regionShape = shape(Type.Object({ slug: Type.String(), available: Type.Boolean() }));
export const sizeShape = shape(
  Type.Object({ slug: Type.String(), available: Type.Boolean(), regions: Type.Array(Type.String()) }),
);
export const imageShape = shape(
  Type.Object({
    id: Type.Integer(),
    slug: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    regions: Type.Array(Type.String()),
  }),
);
export const domainShape = shape(Type.Object({ name: Type.String({ minLength: 1 }) }));
/** A record of a domain as the API reports it; its name leaves out the domain's. */
export type RecordAnswer = Static<typeof DomainRecord>;
const DomainRecord = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  type: Type.String(),
  name: Type.String({ minLength: 1 }),
  data: Type.String(),
  ttl: Type.Integer({ minimum: 0 }),
});
export const recordShape = shape(DomainRecord);
export const vpcShape = shape(Type.Object({ id: Type.String(), region: Type.String() }));

/** Checks the form of an answer, and names where it differs. Fields that we do not read are not checked. */
export type Shape<T> = { readonly fits: (value: unknown) => value is T; readonly misfit: (value: unknown) => string };

/** A droplet of the API as our own type. */
export function toDroplet({
  id,
  name,
  status,
  created_at,
  region,
  size_slug,
  memory,
  size,
  networks,
}: Static<typeof Droplet>): CloudDroplet {
  const addressOf = (type: string) => networks.v4?.find((network) => network.type === type)?.ip_address ?? null;
  return {
    id,
    name,
    status,
    publicIp: addressOf("public"),
    privateIp: addressOf("private"),
    createdAt: new Date(created_at),
    region: region.slug,
    size: size_slug,
    memoryMb: memory,
    hourlyPrice: size.price_hourly,
  };
}

function shape<Schema extends TSchema>(schema: Schema): Shape<Static<Schema>> {
  const validator = Compile(schema);
  return {
    fits: (value): value is Static<Schema> => validator.Check(value),
    misfit: (value) => {
      const [first] = validator.Errors(value);
      return first
        ? `${first.instancePath === "" ? "it" : first.instancePath.slice(1)} ${first.message}`
        : "it is something else";
    },
  };
}
