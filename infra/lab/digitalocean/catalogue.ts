/** What the stand-in offers: some of the regions, sizes and images of DigitalOcean, with their prices. */
export type Catalogue = {
  readonly regions: readonly Region[];
  readonly sizes: readonly Size[];
  readonly images: readonly Image[];
};

export type Region = { readonly slug: string; readonly name: string; readonly available: boolean };
export type Size = {
  readonly slug: string;
  readonly memory: number;
  readonly vcpus: number;
  readonly disk: number;
  readonly transfer: number;
  readonly price_monthly: number;
  readonly price_hourly: number;
  readonly description: string;
  readonly regions: readonly string[];
  readonly available: boolean;
};
export type Image = {
  readonly id: number;
  readonly slug: string;
  readonly name: string;
  readonly distribution: string;
  readonly sizeGigabytes: number;
};

const regions: readonly Region[] = [
  { slug: "ams3", name: "Amsterdam 3", available: true },
  { slug: "fra1", name: "Frankfurt 1", available: true },
  { slug: "lon1", name: "London 1", available: true },
  { slug: "nyc2", name: "New York 2", available: false },
  { slug: "nyc3", name: "New York 3", available: true },
];

const everywhere = regions.filter(({ available }) => available).map(({ slug }) => slug);

const sizes: readonly Size[] = [
  basic("s-1vcpu-1gb", 1024, 1, 25, 1, 6),
  basic("s-1vcpu-2gb", 2048, 1, 50, 2, 12),
  basic("s-2vcpu-2gb", 2048, 2, 60, 3, 18),
  basic("s-2vcpu-4gb", 4096, 2, 80, 4, 24),
  basic("s-4vcpu-8gb", 8192, 4, 160, 5, 48),
  { ...basic("c-2", 4096, 2, 25, 4, 42), description: "CPU-Optimized", regions: ["ams3", "nyc3"] },
  { ...basic("s-1vcpu-3gb", 3072, 1, 60, 3, 18), available: false, regions: [] },
];

const images: readonly Image[] = [
  { id: 170_000_001, slug: "debian-12-x64", name: "12 x64", distribution: "Debian", sizeGigabytes: 1.7 },
  { id: 170_000_002, slug: "debian-13-x64", name: "13 x64", distribution: "Debian", sizeGigabytes: 1.8 },
  { id: 170_000_003, slug: "ubuntu-22-04-x64", name: "22.04 (LTS) x64", distribution: "Ubuntu", sizeGigabytes: 2.3 },
  { id: 170_000_004, slug: "ubuntu-24-04-x64", name: "24.04 (LTS) x64", distribution: "Ubuntu", sizeGigabytes: 2.5 },
];

export const catalogue: Catalogue = { regions, sizes, images };

export function regionJson({ slug, name, available }: Region): object {
  const offered = sizes.filter((size) => size.available && size.regions.includes(slug)).map((size) => size.slug);
  return {
    name,
    slug,
    features: ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"],
    available,
    sizes: offered,
  };
}

export function sizeJson(size: Size): object {
  return { ...size, disk_info: [{ type: "local", size: { amount: size.disk, unit: "gib" } }] };
}

export function imageJson({ id, slug, name, distribution, sizeGigabytes }: Image): object {
  return {
    id,
    name,
    distribution,
    slug,
    public: true,
    regions: everywhere,
    created_at: "2025-01-15T10:00:00Z",
    type: "base",
    min_disk_size: 7,
    size_gigabytes: sizeGigabytes,
    description: `${distribution} ${name}`,
    tags: [],
    status: "available",
    error_message: "",
  };
}

/** A month is billed as 672 hours. */
function basic(
  slug: string,
  memory: number,
  vcpus: number,
  disk: number,
  transfer: number,
  price_monthly: number,
): Size {
  return {
    slug,
    memory,
    vcpus,
    disk,
    transfer,
    price_monthly,
    price_hourly: Math.round((price_monthly / 672) * 100_000) / 100_000,
    description: "Basic",
    regions: everywhere,
    available: true,
  };
}
