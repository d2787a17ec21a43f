import { isIP, isIPv6 } from "node:net";
import { addressKey } from "../../core/instances/quota.ts";
import type { InstanceDirectory } from "../../core/operator/contract.ts";
import type { InstanceOrder, InstanceSearch } from "../../core/operator/instance-search.ts";
import type { Effects } from "../turns.ts";
import { isSomebodys, toInstance, type SomebodysRow } from "./leases.ts";
import { endOf, hostOf, type InstanceRow, type Tables } from "./tables.ts";

/** Searches over all instances, in memory. */
export function searchEffects(tables: Tables): Effects<InstanceDirectory> {
  const matching = (search: InstanceSearch) =>
    [...tables.instances.values()].filter(isSomebodys).filter(narrowing(tables, search));
  const known = (row: SomebodysRow) => toInstance(tables, row);

  return {
    find: (search, most) => {
      const { order, descending, after } = search;
      const compare = (a: InstanceRow, b: InstanceRow) =>
        (compareValues(valueOf(tables, order, a), valueOf(tables, order, b)) || compareValues(a.id, b.id)) *
        (descending ? -1 : 1);
      const last = after === undefined ? undefined : tables.instances.get(after);
      return matching(search)
        .filter((row) => !last || compare(row, last) > 0)
        .sort(compare)
        .slice(0, most)
        .map(known);
    },

    count: (search) => matching(search).length,
  };
}

function valueOf(tables: Tables, order: InstanceOrder, row: InstanceRow): number | string {
  switch (order) {
    case "created":
      return row.createdAt.getTime();
    case "expires":
      return endOf(row).getTime();
    case "address":
      return row.address;
    case "host":
      return hostOf(tables, row.hostName).id;
  }
}

function compareValues<Value extends number | string>(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Conditions of a search, without those of the page. */
function narrowing(tables: Tables, search: InstanceSearch): (row: InstanceRow) => boolean {
  const { state, host, heldAt, text = "", withoutHolders = false } = search;
  const isFound = text === "" ? () => true : textMatch(tables, text, withoutHolders);
  return (row) =>
    (state === "all" || (state === "open" ? row.state !== "ended" : row.state === state)) &&
    (host === undefined || row.hostName === host) &&
    (heldAt === undefined || (row.createdAt <= heldAt && (row.endedAt ?? heldAt) >= heldAt)) &&
    isFound(row);
}

function textMatch(tables: Tables, text: string, withoutHolders: boolean): (row: InstanceRow) => boolean {
  if (/^:\d{1,5}$/.test(text)) return (row) => row.port === Number(text.slice(1));
  const [, address, port] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  const places = new Set(
    [...tables.hosts.values()].filter(({ publicHost }) => publicHost === address).map(({ name }) => name),
  );
  if (places.size > 0) return (row) => places.has(row.hostName) && row.port === Number(port);
  const isHolders = withoutHolders ? () => false : holderMatch(text);
  return (row) => row.id.startsWith(text) || row.hostName.includes(text) || isHolders(row.address);
}

/**
 * Holders are kept by the key that quotas count by: a whole address means one holder, a part the beginning of
 * several.
 */
function holderMatch(text: string): (address: string) => boolean {
  const network = text.replace(/\/64$/, "");
  const whole = isIPv6(network) ? network : text;
  if (isIP(whole) !== 0) return (address) => address === addressKey(whole);
  return (address) => address.startsWith(text);
}
