import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { catalogue } from "./catalogue.ts";
import type { NewDroplet } from "./droplets.ts";
import { apiErrors } from "./api-error.ts";
import type { Vpc } from "./vpcs.ts";

const KIB = 1024;

const orderSchema = Compile(
  Type.Object({
    name: Type.String(),
    size: Type.String(),
    image: Type.Union([Type.String(), Type.Integer()]),
    region: Type.Optional(Type.String()),
    ssh_keys: Type.Optional(Type.Array(Type.Union([Type.String(), Type.Integer()]))),
    tags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
    user_data: Type.Optional(Type.String()),
    vpc_uuid: Type.Optional(Type.String()),
  }),
);

/** Checks the order of a droplet as DigitalOcean does. @throws ApiError that says what is wrong with it */
export function readOrder(
  body: unknown,
  known: { readonly vpcs: readonly Vpc[]; readonly sshKeys: readonly (string | number)[] },
): NewDroplet {
  if (!orderSchema.Check(body)) throw apiErrors.badRequest();
  const { name, user_data: userData = "", ssh_keys: sshKeys = [] } = body;
  if (!/^[a-zA-Z0-9]?[a-z0-9A-Z.-]*[a-z0-9A-Z]$/.test(name) || name.length > 255)
    throw apiErrors.unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)");
  const size = catalogue.sizes.find(({ slug }) => slug === body.size);
  if (!size) throw apiErrors.unprocessable("You specified an invalid size for Droplet creation.");
  const image = catalogue.images.find(({ id, slug }) => body.image === id || body.image === slug);
  if (!image) throw apiErrors.unprocessable("You specified an invalid image for Droplet creation.");
  const region = catalogue.regions.find(({ slug }) => slug === (body.region ?? "nyc3"));
  if (!region) throw apiErrors.unprocessable("You specified an invalid region for Droplet creation.");
  if (!region.available) throw apiErrors.unprocessable("Region is not available");
  if (!size.available || !size.regions.includes(region.slug)) throw apiErrors.outOfStock();
  const strangers = sshKeys.filter((key) => !known.sshKeys.includes(key));
  if (strangers.length > 0)
    throw apiErrors.unprocessable(`${strangers.join(", ")} are invalid key identifiers for Droplet creation.`);
  if (Buffer.byteLength(userData) > 64 * KIB)
    throw apiErrors.unprocessable("User data is too long (maximum is 64 KiB).");
  const tags = body.tags ?? [];
  if (!tags.every(isTag))
    throw apiErrors.unprocessable("Tags may only contain letters, numbers, colons, dashes and underscores.");
  const vpc = known.vpcs.find(
    (network) =>
      network.region === region.slug &&
      (body.vpc_uuid === undefined ? network.isDefault : network.id === body.vpc_uuid),
  );
  if (!vpc) throw apiErrors.unprocessable("You specified an invalid VPC for Droplet creation.");
  return { name, region, size, image, vpc: vpc.id, userData, tags };
}

export function isTag(text: string): boolean {
  return /^[a-zA-Z0-9_:-]{1,255}$/.test(text);
}
