import type { DropletOrder } from "../../core/fleet/cloud.ts";
import type { Calls } from "./calls.ts";
import { listAll } from "./lists.ts";
import { imageShape, regionShape, sizeShape, vpcShape } from "./shapes.ts";

/** What orders will ask for. */
export type Wanted = Pick<DropletOrder, "region" | "image" | "vpc"> & { readonly sizes: readonly string[] };

/**
 * What the cloud would refuse in such orders, one sentence each. An empty list does not promise that a size is
 * in stock at the moment of an order.
 */
export async function checkOffer(calls: Calls, { region, sizes, image, vpc }: Wanted): Promise<string[]> {
  const end = calls.deadline();
  const regions = await listAll(calls, { route: "/regions", key: "regions", item: regionShape }, end);
  const known = regions.find(({ slug }) => slug === region);
  if (!known) return [`There is no region ${region}; there are ${regions.map(({ slug }) => slug).join(", ")}.`];
  const faults = known.available ? [] : [`Region ${region} takes no new droplets.`];

  const offered = new Map(
    (await listAll(calls, { route: "/sizes", key: "sizes", item: sizeShape }, end)).map((size) => [size.slug, size]),
  );
  for (const slug of sizes) {
    const size = offered.get(slug);
    if (!size) faults.push(`There is no droplet size ${slug}.`);
    else if (!size.available || !size.regions.includes(region))
      faults.push(
        `Droplet size ${slug} is not offered in ${region}` +
          `${size.regions.length > 0 ? `, only in ${size.regions.join(", ")}` : ""}.`,
      );
  }

  // A slug names an image of the cloud itself, a number mostly one of the account.
  const isNumber = /^\d+$/.test(image);
  const images = await listAll(
    calls,
    { route: "/images", key: "images", item: imageShape, ...(isNumber ? {} : { params: { type: "distribution" } }) },
    end,
  );
  const found = images.find(({ id, slug }) => (isNumber ? id === Number(image) : slug === image));
  if (!found) faults.push(`There is no image ${image}.`);
  else if (!found.regions.includes(region)) faults.push(`Image ${image} is not in ${region}.`);

  if (vpc !== undefined) {
    const network = (await listAll(calls, { route: "/vpcs", key: "vpcs", item: vpcShape }, end)).find(
      ({ id }) => id === vpc,
    );
    if (!network) faults.push(`There is no private network ${vpc}.`);
    else if (network.region !== region)
      faults.push(`Private network ${vpc} is in ${network.region}, not in ${region}.`);
  }
  return faults;
}
