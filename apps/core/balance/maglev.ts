import siphash from "siphash";

/** Somebody who gets a share of a table's buckets. */
export type MaglevMember = {
  readonly id: string;
  /** Share of the buckets beside the other members', a whole number from 1; 1 when not told. */
  readonly weight?: number;
};

/** Who has which bucket. Everybody who knows the same members has the same table. */
export type MaglevTable = {
  /** Ids of the members, sorted. */
  readonly ids: readonly string[];
  /** For each bucket the place of its member among `ids`; empty when there is no member. */
  readonly buckets: readonly number[];
};

export const MIN_TABLE_SIZE = 13;
export const MAX_TABLE_SIZE = 65_537;
/** Kept well under what a sum of weights needs to stay exact. */
export const MAX_WEIGHT = 65_535;

/** Keys of SipHash: where a member's order of preference begins, and how far it steps. */
const OFFSET_KEY = [0xdeadbabe, 0, 0, 0] as const;
const SKIP_KEY = [0xdeadbeef, 0, 0, 0] as const;

/**
 * The lookup table of "Maglev: A Fast and Reliable Software Network Load Balancer" (Eisenbud et al., NSDI 2016).
 * Members are sorted and the table is built anew each time, so that it depends on who is in it and on nothing that
 * happened before. When a member leaves, its buckets go to the others and very few others move.
 *
 * Every member has at least one bucket while there are no more members than buckets. With a hundred buckets a member,
 * shares differ from what the weights say by a percent or so.
 *
 * @param size number of buckets: a prime from 13 to 65,537, so that every member's order of preference holds them all
 * @throws RangeError for a size or weight that cannot be, or an id that is there twice
 */
export function buildTable(members: readonly MaglevMember[], size: number): MaglevTable {
  requireSize(size);
  const sorted = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  sorted.forEach(({ id, weight = 1 }, index) => {
    if (sorted[index + 1]?.id === id) throw new RangeError(`Member "${id}" is there twice.`);
    if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT)
      throw new RangeError(`Member "${id}" has weight ${weight}: it must be a whole number, 1 to ${MAX_WEIGHT}.`);
  });
  const ids = sorted.map(({ id }) => id);
  if (ids.length === 0) return { ids, buckets: [] };

  const preferences = ids.map((id) => ({
    next: hashOf(id, OFFSET_KEY, size),
    skip: hashOf(id, SKIP_KEY, size - 1) + 1,
  }));
  const buckets = new Array<number>(size).fill(-1);
  for (const member of turns(
    sorted.map(({ weight = 1 }) => weight),
    size,
  )) {
    const preference = preferences[member];
    if (!preference) continue;
    while (buckets[preference.next] !== -1) preference.next = (preference.next + preference.skip) % size;
    buckets[preference.next] = member;
  }
  return { ids, buckets };
}

/** Id of the member that has a key's bucket; undefined when there is no member. */
export function lookUp({ ids, buckets }: MaglevTable, key: string): string | undefined {
  const member = buckets.length === 0 ? undefined : buckets[hashOf(key, OFFSET_KEY, buckets.length)];
  return member === undefined ? undefined : ids[member];
}

/**
 * Name under which a node takes part among the gateways that share an address, as in maglev0: the same nodes answer for
 * the same share there and here.
 */
export function peerName(node: string): string {
  return `backend-${node}`;
}

/** Whether a table can have so many buckets. */
export function isTableSize(size: number): boolean {
  if (!Number.isInteger(size) || size < MIN_TABLE_SIZE || size > MAX_TABLE_SIZE) return false;
  for (let divisor = 2; divisor * divisor <= size; divisor++) if (size % divisor === 0) return false;
  return true;
}

function requireSize(size: number): void {
  if (!isTableSize(size))
    throw new RangeError(
      `A table of ${size} buckets cannot be built: their number must be a prime, ${MIN_TABLE_SIZE} to ` +
        `${MAX_TABLE_SIZE}, such as 13, 251, 2039, 16381 or 65537.`,
    );
}

/**
 * Who takes a bucket when: the k-th turn of a member is due at k / weight, and of those due together the first goes
 * first. When a turn is due does not depend on the other members, so that few buckets move when one leaves, whatever
 * its weight.
 */
function turns(weights: readonly number[], size: number): readonly number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // Up to the time size / total, these are at least `size` turns. For equal weights they are in order as they come.
  const last = weights.map((weight) => Math.floor((size * weight) / total));
  const due: { readonly at: number; readonly member: number }[] = [];
  for (let turn = 0; turn <= Math.max(...last); turn++)
    weights.forEach((weight, member) => {
      if (turn <= (last[member] ?? 0)) due.push({ at: turn / weight, member });
    });
  return due
    .sort((a, b) => a.at - b.at || a.member - b.member)
    .slice(0, size)
    .map(({ member }) => member);
}

/** SipHash-2-4 of a text, as a number below `modulus`. */
function hashOf(text: string, key: readonly [number, number, number, number], modulus: number): number {
  const { h, l } = siphash.hash(key, text);
  return ((h % modulus) * (2 ** 32 % modulus) + (l % modulus)) % modulus;
}
