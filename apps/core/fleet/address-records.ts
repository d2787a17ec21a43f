import { isIPv4 } from "node:net";
import type { DnsRecord } from "./dns.ts";
import type { Gateway } from "../edge/gateway.ts";

/**
 * A gateway whose sign of life is there now, and the addresses at which the world reaches it. Only a `live` one gets
 * clients. Of an `unreadable` one nothing else is known.
 */
export type PresentGateway =
  Pick<Gateway, "name" | "state" | "addresses"> | { readonly name: string; readonly state: "unreadable" };

/** How the A records of the edge follow its gateways. Times in milliseconds, by name. */
export type AddressRules = {
  /** EDGE_DOMAIN: its A records are those of `*.<domain>`. */
  readonly edgeDomain: string;
  /** Whose records are ours. */
  readonly deployment: string;
  readonly ttlSeconds: number;
  /** How long a gateway must have been live, or absent, before its record changes. */
  readonly settleMs: number;
};

/**
 * Addresses with a gateway or a record of ours: whether a gateway lives there, and since when that has been so
 * without a break. `at`: when they were last looked at. Milliseconds since 1970.
 */
export type Watch = {
  readonly at: number;
  readonly addresses: ReadonlyMap<string, { readonly isLive: boolean; readonly since: number }>;
};

/** One step, with the reason that the operator reads. */
export type RecordStep =
  /** `isMarked`: the mark that makes the record ours is there already. */
  | { readonly kind: "add"; readonly address: string; readonly isMarked: boolean; readonly reason: string }
  | { readonly kind: "set-ttl"; readonly record: DnsRecord; readonly reason: string }
  /** Records first, then their marks. */
  | {
      readonly kind: "remove";
      readonly address: string;
      readonly records: readonly DnsRecord[];
      readonly marks: readonly DnsRecord[];
      readonly reason: string;
    }
  /** A step that is needed and must wait. An alarm needs a person. */
  | { readonly kind: "hold"; readonly alarm: boolean; readonly reason: string };

/** A look may take as long as the cloud's answers; when nobody has looked for longer, a watch begins anew. */
const LONGEST_GAP_MS = 30_000;

/** The first look of a process. */
export const unwatched: Watch = { at: -Infinity, addresses: new Map() };

/** The name whose A records lead to the gateways. */
export function edgeName({ edgeDomain }: Pick<AddressRules, "edgeDomain">): string {
  return `*.${edgeDomain}`;
}

/** The name of the TXT records that say which of the A records are ours. */
export function markName({ edgeDomain }: Pick<AddressRules, "edgeDomain">): string {
  return `_getaredis.${edgeDomain}`;
}

/** The text of an address's mark. */
export function markText({ deployment }: Pick<AddressRules, "deployment">, address: string): string {
  return `getaredis=${deployment} address=${address}`;
}

/**
 * Continues a watch. Time during which it was unknown who lives does not count, nor time in which nobody looked.
 * @param present undefined while it is unknown which gateways live
 */
export function watchAddresses(
  before: Watch,
  present: readonly PresentGateway[] | undefined,
  records: readonly DnsRecord[],
  rules: AddressRules,
  now: number,
): Watch {
  if (present === undefined) return { at: now, addresses: new Map() };
  const isFresh = now - before.at <= LONGEST_GAP_MS && now >= before.at;
  const liveAt = liveAddresses(present);
  const addresses = new Map(
    [...liveAt.keys(), ...ownRecords(records, rules).keys()].map((address) => {
      const isLive = liveAt.has(address);
      const known = isFresh ? before.addresses.get(address) : undefined;
      return [address, known?.isLive === isLive ? known : { isLive, since: now }];
    }),
  );
  return { at: now, addresses };
}

/**
 * Compares the records with the gateways, and names the steps that bring them together. A record goes only while
 * another one of a live gateway stays: when nobody is known to live, it is more likely that we do not see them.
 * Records that are not marked as ours are left alone.
 * @param present undefined while it is unknown which gateways live
 */
export function decideRecords(
  present: readonly PresentGateway[] | undefined,
  records: readonly DnsRecord[],
  watch: Watch,
  rules: AddressRules,
  now: number,
): RecordStep[] {
  if (present === undefined)
    return [{ kind: "hold", alarm: false, reason: "it is unknown which gateways live: the address records stay" }];
  const ours = ownRecords(records, rules);
  const name = edgeName(rules);
  const strangers = records.filter(
    (record) => record.type === "A" && record.name === name && !ours.get(record.data)?.records.includes(record),
  );
  const inUse = new Set([...strangers, ...[...ours.values()].flatMap((own) => own.records)].map(({ data }) => data));
  const settledMs = (address: string) => now - (watch.addresses.get(address)?.since ?? now);
  const isSettled = (address: string) => settledMs(address) >= rules.settleMs;
  const liveAt = liveAddresses(present);
  // It may be at any of them.
  const unreadable = present.filter(({ state }) => state === "unreadable").map(({ name: of }) => of);
  const steps: RecordStep[] = [];

  for (const [address, names] of liveAt) {
    if (inUse.has(address)) continue;
    // With no address at all nobody gets in: then there is nothing to wait for.
    if (!isSettled(address) && inUse.size > 0) continue;
    steps.push({
      kind: "add",
      address,
      isMarked: ours.has(address),
      reason: `gateway ${names.join(", ")} lives at ${address}`,
    });
  }

  const isSafe = unreadable.length === 0 && [...liveAt.keys()].some((address) => inUse.has(address));
  for (const [address, { records: own, marks }] of ours) {
    const [first, ...doubles] = own;
    if (first && first.ttlSeconds !== rules.ttlSeconds && liveAt.has(address))
      steps.push({ kind: "set-ttl", record: first, reason: `its TTL is ${first.ttlSeconds} s` });
    if (doubles.length > 0)
      steps.push({ kind: "remove", address, records: doubles, marks: [], reason: "there are several of one address" });
    if (liveAt.has(address) || !isSettled(address)) continue;
    if (first === undefined) steps.push({ kind: "remove", address, records: [], marks, reason: "its record is gone" });
    else if (isSafe)
      steps.push({
        kind: "remove",
        address,
        records: [first],
        marks,
        reason: `no gateway has lived at ${address} for ${Math.floor(settledMs(address) / 1000)} s`,
      });
  }

  const silent = [...ours].filter(([address, { records: own }]) => own.length > 0 && !liveAt.has(address));
  if (liveAt.size === 0 && silent.some(([address]) => isSettled(address)))
    steps.push({
      kind: "hold",
      alarm: true,
      reason: `no gateway is known to live: ${name} goes on leading to ${listed(silent.map(([address]) => address))}`,
    });
  if (unreadable.length > 0)
    steps.push({
      kind: "hold",
      alarm: true,
      reason: `what gateway ${listed(unreadable)} says of itself cannot be read: no address is taken away meanwhile`,
    });
  const astray = strangers.map(({ data }) => data).filter((address) => !liveAt.has(address));
  if (astray.length > 0)
    steps.push({
      kind: "hold",
      alarm: true,
      reason:
        `${name} leads to ${listed(astray)} as well, where no gateway of ours lives: ` +
        "the record was not made here, and is left alone",
    });
  return steps;
}

/** Our records and marks by address. A record is ours when its mark is there. */
function ownRecords(
  records: readonly DnsRecord[],
  rules: AddressRules,
): Map<string, { readonly records: readonly DnsRecord[]; readonly marks: readonly DnsRecord[] }> {
  const name = edgeName(rules);
  const mark = markName(rules);
  const start = markText(rules, "");
  const marks = records.filter(({ type, name: of, data }) => type === "TXT" && of === mark && data.startsWith(start));
  return new Map(
    [...Map.groupBy(marks, ({ data }) => data.slice(start.length))].map(([address, ofAddress]) => [
      address,
      {
        records: records
          .filter((record) => record.type === "A" && record.name === name && record.data === address)
          .sort((one, other) => one.id - other.id),
        marks: ofAddress,
      },
    ]),
  );
}

/** IPv4 addresses of gateways that take clients, with their names. */
function liveAddresses(present: readonly PresentGateway[]): Map<string, readonly string[]> {
  const places = present.flatMap((gateway) =>
    gateway.state === "live"
      ? gateway.addresses.filter((address) => isIPv4(address)).map((address) => ({ address, name: gateway.name }))
      : [],
  );
  return new Map(
    [...Map.groupBy(places, ({ address }) => address)].map(([address, some]) => [
      address,
      some.map(({ name }) => name).sort(),
    ]),
  );
}

function listed(addresses: readonly string[]): string {
  return [...new Set(addresses)].sort().join(", ");
}
