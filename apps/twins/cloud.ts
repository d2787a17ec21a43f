import { memoryOfSize } from "../core/fleet/host-capacity.ts";
import { CloudFault, type CloudDroplet, type CloudFaultReason, type DropletOrder } from "../core/fleet/cloud.ts";
import type { Cloud } from "../core/fleet/contract.ts";
import type { InboundRule, PreparePorts } from "../core/fleet/prepare-cloud.ts";
import type { CloudDns } from "../core/fleet/dns.ts";
import { dnsEffects } from "./dns.ts";
import { inTurns, type Effects, type Staging } from "./turns.ts";

/** How long things take at the cloud, in milliseconds. */
export type CloudTimes = { readonly activeMs: number; readonly tagLagMs: number; readonly deleteMs: number };

/** What the cloud offers. */
export type CloudOffer = {
  readonly regions: readonly string[];
  /** Dollars an hour, by size. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly images: readonly string[];
  readonly vpcs: readonly string[];
  readonly sshKeys: readonly string[];
};

/**
 * What goes wrong. Of any call: `rate-limit`, `server-error`, `hang` (no answer in time, and no effect),
 * `answer-lost` (it has its effect), `half-answer` (the same, but the answer is cut off). Of orders:
 * `droplet-limit`, `out-of-stock`. Of new droplets: `never-active` (stays `new`), `never-boots` (no machine),
 * `list-lags` (in no list for `ms`). Of deletions: `delete-refused` (another event is pending), `delete-fails`,
 * `delete-ignored`.
 */
export type CloudFaultRule = {
  readonly kind:
    | "rate-limit"
    | "server-error"
    | "hang"
    | "answer-lost"
    | "half-answer"
    | "droplet-limit"
    | "out-of-stock"
    | "never-active"
    | "never-boots"
    | "list-lags"
    | "delete-refused"
    | "delete-fails"
    | "delete-ignored";
  /** How often it happens; always, when it is not given. */
  readonly times?: number;
  /** Which call it happens to; any, when it is not given. */
  readonly call?: CloudCallName;
  /** Of which size; any, when it is not given. */
  readonly size?: string;
  /** Of `list-lags`. */
  readonly ms?: number;
};

/** A droplet as the twin keeps it. */
export type TwinDroplet = {
  readonly id: number;
  readonly name: string;
  readonly tags: readonly string[];
  readonly region: string;
  readonly size: string;
  readonly userData: string;
  readonly createdAt: Date;
  /** Whether its machine is switched on once it is active. */
  readonly boots: boolean;
};

type Kept = TwinDroplet & {
  readonly activeFrom: number;
  readonly listedFrom: number;
  readonly taggedFrom: number;
  readonly isOff: boolean;
  /** When an accepted deletion is completed. */
  readonly goneFrom: number;
};

type Port = Cloud & PreparePorts["cloud"] & CloudDns;
type CloudCallName = keyof Port;
type Firewall = { readonly name: string; readonly tag: string; readonly inbound: readonly InboundRule[] };

const usualOffer: CloudOffer = {
  regions: ["ams3", "fra1"],
  sizes: { "s-1vcpu-1gb": 0.00893, "s-1vcpu-2gb": 0.01786, "s-2vcpu-4gb": 0.03571 },
  images: ["debian-12-x64", "debian-13-x64"],
  vpcs: [],
  sshKeys: [],
};

const LONGEST_USER_DATA = 64 * 1024;

/**
 * DigitalOcean in memory, by `clock`: droplets become active after a while, tags appear later than droplets,
 * deleted ones disappear a moment later, and the returned `faults` make calls fail as they do there. Each of
 * them hits one call.
 */
export function createTwinCloud({
  clock,
  times: { activeMs, tagLagMs, deleteMs } = { activeMs: 100, tagLagMs: 100, deleteMs: 50 },
  offer = usualOffer,
  account = { status: "active", statusMessage: "", dropletLimit: 25 },
  domains = [],
  ...staging
}: Staging & {
  readonly clock: () => Date;
  readonly times?: CloudTimes;
  readonly offer?: CloudOffer;
  /** Names of the domains that the account serves. */
  readonly domains?: readonly string[];
  readonly account?: Awaited<ReturnType<PreparePorts["cloud"]["readAccount"]>>;
}) {
  const kept = new Map<number, Kept>();
  const tags = new Set<string>();
  const firewalls = new Map<string, Firewall>();
  const ordered: { readonly id: number; readonly name: string }[] = [];
  const rules: { readonly rule: CloudFaultRule; hits: number }[] = [];
  const dns = dnsEffects(domains);
  let lastId = 1_000_000;

  function strike(kind: CloudFaultRule["kind"], call: CloudCallName, size?: string): CloudFaultRule | undefined {
    const struck = rules.find(
      ({ rule, hits }) =>
        rule.kind === kind &&
        hits < (rule.times ?? Infinity) &&
        (rule.call === undefined || rule.call === call) &&
        (rule.size === undefined || rule.size === size),
    );
    if (struck) struck.hits++;
    return struck?.rule;
  }

  const nowMs = () => clock().getTime();

  function existing(): Kept[] {
    for (const { id, goneFrom } of kept.values()) if (goneFrom <= nowMs()) kept.delete(id);
    return [...kept.values()];
  }

  function listed(): Kept[] {
    return existing()
      .filter(({ listedFrom }) => listedFrom <= nowMs())
      .reverse();
  }

  function plant(droplet: Omit<TwinDroplet, "id" | "createdAt">, over: Partial<Kept>): Kept {
    const { name, tags: ofDroplet, region, size, userData, boots } = droplet;
    const made: Kept = {
      ...{ id: ++lastId, name, tags: ofDroplet, region, size, userData, boots, createdAt: clock() },
      ...{ activeFrom: 0, listedFrom: 0, taggedFrom: 0, isOff: false, goneFrom: Infinity },
      ...over,
    };
    kept.set(made.id, made);
    return made;
  }

  function order({ name, tag, region, size, image, vpc, sshKeys, userData }: DropletOrder): Kept {
    if (!/^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(name)) throw refusal("Only valid hostname characters");
    if (offer.sizes[size] === undefined) throw refusal("You specified an invalid size");
    if (!offer.images.includes(image)) throw refusal("You specified an invalid image");
    if (!offer.regions.includes(region)) throw refusal("You specified an invalid region");
    const strangers = sshKeys.filter((key) => !offer.sshKeys.includes(key));
    if (strangers.length > 0) throw refusal(`${strangers.join(", ")} are invalid key identifiers`);
    if (Buffer.byteLength(userData) > LONGEST_USER_DATA) throw refusal("User data is too long (maximum is 64 KiB).");
    if (vpc !== undefined && !offer.vpcs.includes(vpc)) throw refusal("You specified an invalid VPC");
    if (strike("droplet-limit", "createDroplet", size) || existing().length >= account.dropletLimit)
      throw new CloudFault("droplet-limit", "none", "this will exceed your droplet limit");
    if (strike("out-of-stock", "createDroplet", size))
      throw new CloudFault("out-of-stock", "none", "Size is not available in this region.");
    const isNeverActive = strike("never-active", "createDroplet", size) !== undefined;
    const isNeverBooting = strike("never-boots", "createDroplet", size) !== undefined;
    const lagMs = strike("list-lags", "createDroplet", size)?.ms ?? 0;
    tags.add(tag);
    const made = plant(
      { name, tags: [tag], region, size, userData, boots: !isNeverActive && !isNeverBooting },
      {
        activeFrom: isNeverActive ? Infinity : nowMs() + activeMs,
        listedFrom: nowMs() + lagMs,
        taggedFrom: nowMs() + tagLagMs,
      },
    );
    ordered.push({ id: made.id, name });
    return made;
  }

  function remove(id: number): "deleting" | "gone" {
    const droplet = existing().find((each) => each.id === id);
    if (!droplet) return "gone";
    if (strike("delete-refused", "deleteDroplet"))
      throw new CloudFault("busy", "none", "Droplet already has a pending event.");
    if (strike("delete-fails", "deleteDroplet")) throw new CloudFault("server-error", "unknown", "500");
    if (!strike("delete-ignored", "deleteDroplet") && droplet.goneFrom === Infinity)
      kept.set(id, { ...droplet, goneFrom: nowMs() + deleteMs });
    return "deleting";
  }

  function toDroplet({ id, name, region, size, createdAt, activeFrom, isOff }: Kept): CloudDroplet {
    const isNew = activeFrom > nowMs();
    return {
      id,
      name,
      status: isNew ? "new" : isOff ? "off" : "active",
      publicIp: isNew ? null : `203.0.113.${(id % 254) + 1}`,
      privateIp: isNew ? null : `10.135.${(id >> 8) % 256}.${(id % 254) + 1}`,
      createdAt,
      region,
      size,
      memoryMb: memoryOfSize(size) ?? 0,
      hourlyPrice: offer.sizes[size] ?? 0,
    };
  }

  const effects: Effects<Port> = {
    listDroplets: (tag) =>
      listed()
        .filter((droplet) => droplet.taggedFrom <= nowMs() && droplet.tags.includes(tag))
        .map(toDroplet),
    findDroplets: (name) =>
      listed()
        .filter((droplet) => droplet.name === name)
        .map(toDroplet),
    getDroplet: (id) => {
      const droplet = existing().find((each) => each.id === id);
      return droplet && toDroplet(droplet);
    },
    createDroplet: (given) => toDroplet(order(given)),
    deleteDroplet: remove,
    ensureTag: (tag) => void tags.add(tag),
    ensureFirewall: (firewall) => {
      if (!tags.has(firewall.tag)) throw refusal(`there is no tag ${firewall.tag}`);
      firewalls.set(firewall.name, firewall);
    },
    ...dns.effects,
    readAccount: () => account,
    checkOffer: ({ region, sizes, image, vpc }) => [
      ...(offer.regions.includes(region) ? [] : [`There is no region ${region}.`]),
      ...sizes.filter((size) => offer.sizes[size] === undefined).map((size) => `There is no droplet size ${size}.`),
      ...(offer.images.includes(image) ? [] : [`There is no image ${image}.`]),
      ...(vpc === undefined || offer.vpcs.includes(vpc) ? [] : [`There is no private network ${vpc}.`]),
    ],
  };

  /** Calls that only read have no effect that could be unknown. */
  const struck = <Name extends CloudCallName>(call: Name, effect: Effects<Port>[Name]): Effects<Port>[Name] =>
    ((...given: unknown[]) => {
      const unknown = /^(create|delete|set)/.test(call) ? "unknown" : "none";
      const fault = (kind: CloudFaultRule["kind"], reason: CloudFaultReason, effectOf: CloudFault["effect"]) => {
        if (strike(kind, call)) throw new CloudFault(reason, effectOf, kind);
      };
      fault("rate-limit", "rate-limited", "none");
      fault("server-error", "server-error", unknown);
      fault("hang", "timeout", unknown);
      const result = (effect as (...given: unknown[]) => unknown)(...given);
      fault("answer-lost", "unreachable", unknown);
      fault("half-answer", "refused", unknown);
      return result;
    }) as Effects<Port>[Name];

  const port = inTurns<Port>(
    "",
    Object.fromEntries(
      Object.entries(effects).map(([name, effect]) => [name, struck(name as CloudCallName, effect)]),
    ) as Effects<Port>,
    staging,
  );

  return {
    ...port,
    faults: {
      add: (rule: CloudFaultRule) => void rules.push({ rule, hits: 0 }),
      clear: () => void rules.splice(0),
      list: () => rules.map(({ rule, hits }) => ({ rule, hits })),
    },
    /** All droplets as they are, also those that lists do not show yet. */
    droplets: (): readonly (TwinDroplet & CloudDroplet)[] =>
      existing().map((droplet) => ({ ...droplet, ...toDroplet(droplet) })),
    /** Every order that was accepted, whatever happened to it. */
    everMade: () => [...ordered],
    firewalls: () => [...firewalls.values()],
    /** The records of a domain as they are, without a call of the API. */
    records: dns.records,
    /** Adds a droplet that nobody ordered; it is active, has no machine, and lists show it at once. */
    add: ({ name, tags: ofDroplet }: { readonly name: string; readonly tags: readonly string[] }): { id: number } =>
      plant({ name, tags: ofDroplet, region: "fra1", size: "s-1vcpu-2gb", userData: "", boots: false }, {}),
    /** Removes the droplets of a name without a call of the API. */
    vanish: (name: string): void => {
      for (const droplet of existing()) if (droplet.name === name) kept.delete(droplet.id);
    },
    /** Switches the droplets of a name off, or on again, without a call of the API. */
    power: (name: string, isOn: boolean): void => {
      for (const droplet of existing()) if (droplet.name === name) kept.set(droplet.id, { ...droplet, isOff: !isOn });
    },
  };
}

function refusal(why: string): CloudFault {
  return new CloudFault("refused", "none", new Error(why));
}
