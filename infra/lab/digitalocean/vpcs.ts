import { catalogue } from "./catalogue.ts";

/** A private network. */
export type Vpc = {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly ipRange: string;
  readonly isDefault: boolean;
  readonly createdAt: number;
};

/** The default network of each region. */
export function defaultVpcs(): Vpc[] {
  return catalogue.regions.map(({ slug }, index) => ({
    id: `5a4981aa-9653-4bd1-bef5-d6bff520${String(4000 + index)}`,
    name: `default-${slug}`,
    region: slug,
    ipRange: `10.${135 + index}.0.0/20`,
    isDefault: true,
    createdAt: Date.UTC(2025, 0, 15),
  }));
}
