import { readAddress, shown, type AddressRules, type MemberAddress } from "./address.ts";

/**
 * Pools that are kept in Redis, as l4loadbalancer keeps its one: a key with a JSON array of `ip:port`, and two channels
 * by which whoever has a connection to Redis, telnet included, adds and removes a member. The key is the truth: a
 * message changes it, as often as it comes and whoever is first.
 */
export const POOL_KEY = "serverPool";
export const ADD_CHANNEL = "addServer";
export const REMOVE_CHANNEL = "removeServer";

/** What a key of a pool may be: the one of l4loadbalancer, or one with a name of its own after it. */
export const POOL_KEY_PATTERN = `^${POOL_KEY}(:[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?)?$`;

/** Patterns of the channels, as Redis takes them. */
export const poolChannels = [ADD_CHANNEL, REMOVE_CHANNEL, `${ADD_CHANNEL}:*`, `${REMOVE_CHANNEL}:*`] as const;

/** The pool that a channel changes, and how; undefined when it is no such channel. `addServer:web`: `serverPool:web`. */
export function poolOf(channel: string): { readonly key: string; readonly kind: PoolMessage["kind"] } | undefined {
  const colon = channel.indexOf(":");
  const [base, rest] = colon === -1 ? [channel, ""] : [channel.slice(0, colon), channel.slice(colon)];
  const key = `${POOL_KEY}${rest}`;
  if ((base !== ADD_CHANNEL && base !== REMOVE_CHANNEL) || !new RegExp(POOL_KEY_PATTERN).test(key)) return undefined;
  return { key, kind: base === ADD_CHANNEL ? "add" : "remove" };
}

/** Which texts are a pool. */
export type PoolRules = AddressRules & { readonly mostMembers: number };

/** Members of a pool, and entries that are none. */
export type PoolReading =
  | { readonly kind: "pool"; readonly members: readonly MemberAddress[]; readonly refused: readonly string[] }
  /** Nothing can be said of the members: those known last stay. */
  | { readonly kind: "refused"; readonly reason: string };

/** A message of one of the two channels. */
export type PoolMessage = { readonly kind: "add" | "remove"; readonly entry: string };

/** What a message makes of a pool. */
export type PoolChange =
  | { readonly kind: "changed"; readonly text: string }
  | { readonly kind: "unchanged" }
  | { readonly kind: "refused"; readonly reason: string };

/** What more than this is not read: an array of as many members as there may be is shorter. */
export const LONGEST_POOL_TEXT = 400_000;
/** Of many bad entries the first few tell what is wrong. */
const TOLD_AT_MOST = 20;

/** Reads the key's text. Bad entries are left out, one by one; each address counts once. */
export function readPool(text: string, rules: PoolRules): PoolReading {
  const entries = entriesOf(text);
  if (entries.kind === "refused") return entries;
  const members = new Map<string, MemberAddress>();
  const refused: string[] = [];
  for (const entry of entries.entries) {
    const reading = readAddress(typeof entry === "string" ? entry : JSON.stringify(entry), rules);
    if (reading.kind === "refused") refused.push(reading.reason);
    else if (members.has(reading.address.text)) continue;
    else if (members.size >= rules.mostMembers)
      refused.push(`${shown(reading.address.text)} is one more than the ${rules.mostMembers} members a pool may have`);
    else members.set(reading.address.text, reading.address);
  }
  return { kind: "pool", members: [...members.values()], refused: toldOf(refused) };
}

/**
 * What the key's text becomes by a message. Entries that nobody can read stay as they are, and can be removed.
 * @param text of the key; of the pool as it was known last when there is no such key; undefined when none is known
 */
export function applyMessage(text: string | undefined, { kind, entry }: PoolMessage, rules: PoolRules): PoolChange {
  const reading = entriesOf(text ?? "[]");
  if (reading.kind === "refused") return reading;
  const { entries } = reading;
  const wanted = readAddress(entry, rules);
  const isWanted = (each: unknown) => {
    if (each === entry) return true;
    if (wanted.kind === "refused" || typeof each !== "string") return false;
    const other = readAddress(each, rules);
    return other.kind === "address" && other.address.text === wanted.address.text;
  };

  if (kind === "remove") {
    const kept = entries.filter((each) => !isWanted(each));
    if (kept.length === entries.length) return { kind: "unchanged" };
    return { kind: "changed", text: JSON.stringify(kept) };
  }
  if (wanted.kind === "refused") return wanted;
  if (entries.some(isWanted)) return { kind: "unchanged" };
  if (entries.length >= rules.mostMembers)
    return { kind: "refused", reason: `${shown(entry)}: the pool has the ${rules.mostMembers} members it may have` };
  return { kind: "changed", text: JSON.stringify([...entries, wanted.address.text]) };
}

function entriesOf(
  text: string,
):
  | { readonly kind: "entries"; readonly entries: readonly unknown[] }
  | { readonly kind: "refused"; readonly reason: string } {
  if (text.length > LONGEST_POOL_TEXT)
    return { kind: "refused", reason: `it is longer than ${LONGEST_POOL_TEXT} characters` };
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch {
    return { kind: "refused", reason: "it is no JSON" };
  }
  if (!Array.isArray(entries)) return { kind: "refused", reason: "it is no JSON array of addresses" };
  return { kind: "entries", entries };
}

function toldOf(refused: readonly string[]): readonly string[] {
  if (refused.length <= TOLD_AT_MOST) return refused;
  return [...refused.slice(0, TOLD_AT_MOST), `and ${refused.length - TOLD_AT_MOST} more`];
}
