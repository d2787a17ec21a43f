import type { Action } from "./actions.ts";
import { catalogue, imageJson, regionJson, sizeJson } from "./catalogue.ts";
import type { LabDroplet } from "./droplets.ts";
import type { Vpc } from "./vpcs.ts";

/** A droplet as DigitalOcean reports it. */
export function dropletJson(droplet: LabDroplet, now: number): object {
  const { id, name, size, image, region, status, isLocked, createdAt, vpc } = droplet;
  return {
    id,
    name,
    memory: size.memory,
    vcpus: size.vcpus,
    disk: size.disk,
    disk_info: [{ type: "local", size: { amount: size.disk, unit: "gib" } }],
    locked: isLocked,
    status,
    kernel: null,
    created_at: timeText(createdAt),
    features: ["droplet_agent", "private_networking"],
    backup_ids: [],
    next_backup_window: null,
    snapshot_ids: [],
    image: imageJson(image),
    volume_ids: [],
    size: sizeJson(size),
    size_slug: size.slug,
    networks: { v4: networksOf(droplet), v6: [] },
    region: regionJson(region),
    tags: tagsOf(droplet, now),
    vpc_uuid: vpc,
  };
}

/** The tags that lists know of it by now. */
export function tagsOf({ tags, taggedFrom }: LabDroplet, now: number): string[] {
  return taggedFrom <= now ? [...tags] : [];
}

export function actionJson({ id, status, type, startedAt, completedAt, dropletId, regionSlug }: Action): object {
  const region = catalogue.regions.find(({ slug }) => slug === regionSlug);
  return {
    id,
    status,
    type,
    started_at: timeText(startedAt),
    completed_at: completedAt === null ? null : timeText(completedAt),
    resource_id: dropletId,
    resource_type: "droplet",
    ...(region ? { region: regionJson(region) } : {}),
    region_slug: regionSlug,
  };
}

export function tagJson(name: string, tagged: readonly LabDroplet[], origin: string): object {
  const last = tagged[0] && { last_tagged_uri: `${origin}/v2/droplets/${tagged[0].id}` };
  const none = { count: 0 };
  return {
    name,
    resources: {
      count: tagged.length,
      ...last,
      droplets: { count: tagged.length, ...last },
      images: none,
      volumes: none,
      volume_snapshots: none,
      databases: none,
    },
  };
}

export function vpcJson({ id, name, region, ipRange, isDefault, createdAt }: Vpc): object {
  return {
    id,
    urn: `do:vpc:${id}`,
    name,
    description: "",
    region,
    ip_range: ipRange,
    default: isDefault,
    created_at: timeText(createdAt),
  };
}

/** Whole seconds, as DigitalOcean writes times. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** None until it is switched on, as with the real ones. */
function networksOf({ status, publicIp, privateIp }: LabDroplet): object[] {
  if (status === "new") return [];
  return [
    ...(privateIp === null
      ? []
      : [
          { ip_address: privateIp, netmask: "255.255.240.0", gateway: privateIp.replace(/\d+$/, "1"), type: "private" },
        ]),
    ...(publicIp === null
      ? []
      : [{ ip_address: publicIp, netmask: "255.255.240.0", gateway: publicIp.replace(/\d+$/, "1"), type: "public" }]),
  ];
}
