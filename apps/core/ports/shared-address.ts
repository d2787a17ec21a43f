import { createHash } from "node:crypto";
import { buildTable, peerName } from "../balance/maglev.ts";

/**
 * Which connections to a shared address one of several gateways answers. All of them get every packet; a connection's
 * bucket says whose it is.
 */
export type AddressShare = {
  /** Buckets of the table. */
  readonly size: number;
  /** Its own. */
  readonly mine: readonly number[];
  /**
   * Of these, the ones that another one has had who still lives: connections that it began are its own to the end. Of the
   * others a packet in the middle of a connection means that whoever began it is gone; its client is told so at once.
   */
  readonly fresh: readonly number[];
  /** Whether it answers what has no port, such as ping: one of all does. */
  readonly isFirst: boolean;
};

/** Who has had each bucket, of those that live. */
export type ShareHistory = readonly ReadonlySet<string>[];

/** Gateways at one moment. */
export type SharingPeers = {
  /** Names of those that take new connections. */
  readonly taking: readonly string[];
  /** Names of all that live; those besides are on their way out, and keep the connections that they have. */
  readonly living: readonly string[];
};

/**
 * The share of a gateway.
 * @param history as it was returned before; undefined after a start: then the others have shared the buckets without it
 */
export function shareOf(
  name: string,
  { taking, living }: SharingPeers,
  size: number,
  history: ShareHistory | undefined,
): { readonly share: AddressShare; readonly history: ShareHistory } {
  const ownerOf = ownersOf(taking, size);
  const ownerBefore = ownersOf(
    taking.filter((other) => other !== name),
    size,
  );
  const alive = new Set(living.map(peerName));
  const me = peerName(name);
  const mine: number[] = [];
  const fresh: number[] = [];
  const now = Array.from({ length: size }, (_, bucket) => {
    const before = history === undefined ? [ownerBefore(bucket)] : [...(history[bucket] ?? [])];
    const had = before.filter((owner): owner is string => owner !== undefined && alive.has(owner));
    const owner = ownerOf(bucket);
    if (owner === me) {
      mine.push(bucket);
      if (had.some((other) => other !== me)) fresh.push(bucket);
    }
    return new Set(owner === undefined ? had : [...had, owner]);
  });
  return { share: { size, mine, fresh, isFirst: mine[0] === 0 }, history: now };
}

/** Who owns each bucket among some gateways. */
function ownersOf(names: readonly string[], size: number): (bucket: number) => string | undefined {
  const { ids, buckets } = buildTable(
    names.map((name) => ({ id: peerName(name) })),
    size,
  );
  return (bucket) => ids[buckets[bucket] ?? -1];
}

/**
 * The link address that a shared address has: for many, so that a switch sends its frames to all, and of our own, so
 * that no switch takes it for IP multicast, of which it would ask who has joined.
 */
export function sharedLinkAddress(address: string): string {
  const bytes = createHash("sha256").update(address).digest().subarray(0, 5);
  return ["03", ...Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))].join(":");
}
