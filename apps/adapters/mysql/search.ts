import { isIP, isIPv6 } from "node:net";
import type { Instance, InstanceState } from "../../core/instances/instance.ts";
import type { InstanceDirectory } from "../../core/operator/contract.ts";
import type { InstanceOrder, InstanceSearch } from "../../core/operator/instance-search.ts";
import { addressKey } from "../../core/instances/quota.ts";
import { isAscii, type Database, type Sql } from "./database.ts";
import { instanceColumns, toInstance, type InstanceRow } from "./leases.ts";

type Condition = { readonly sql: string; readonly values: readonly (string | number | Date)[] };

const columnsOfOrder: Readonly<Record<InstanceOrder, string>> = {
  created: "instances.created_at",
  expires: "instances.expires_at",
  address: "instances.address",
  host: "instances.host_id",
};
const openStates: readonly InstanceState[] = ["starting", "running", "ending"];
/** Without those of instances that nobody holds yet. */
const allStates: readonly InstanceState[] = [...openStates, "ended"];

/**
 * Searches over all instances, for the operator. Ids are picked first, over
 * keys alone: rows are read for one page only, however many there are.
 */
export function searchStatements(database: Database): InstanceDirectory {
  function find(search: InstanceSearch, most: number): Promise<Instance[]> {
    return database.query(async (sql) => {
      const conditions = [...(await narrowing(sql, search)), ...(await beyond(sql, search))];
      const direction = search.descending ? "DESC" : "ASC";
      const column = columnsOfOrder[search.order];
      const order = `ORDER BY ${column} ${direction}, instances.id ${direction}`;
      const rows = await sql.rows<InstanceRow>(
        `SELECT ${instanceColumns}
           FROM (SELECT id FROM instances ${where(conditions)} ${order} LIMIT ${Math.trunc(most)}) AS page
           JOIN instances ON instances.id = page.id JOIN hosts ON hosts.id = host_id ${order}`,
        valuesOf(conditions),
      );
      return rows.map(toInstance);
    });
  }

  function count(search: InstanceSearch): Promise<number> {
    return database.query(async (sql) => {
      const conditions = await narrowing(sql, search);
      const [row] = await sql.rows<{ found: number }>(
        `SELECT COUNT(*) AS found FROM instances ${where(conditions)}`,
        valuesOf(conditions),
      );
      return row?.found ?? 0;
    });
  }

  return { find, count };
}

/**
 * Conditions of a search, without those of the page. Hosts are few: they are looked up first, and instances by
 * the hosts' ids.
 */
async function narrowing(sql: Sql, search: InstanceSearch): Promise<Condition[]> {
  const conditions: Condition[] = [];
  const states = search.state === "open" ? openStates : search.state === "all" ? allStates : [search.state];
  conditions.push({ sql: `state IN (${marks(states)})`, values: states });
  // Those of the warm pool that are ending. They are few, and the others are still counted by their keys alone.
  if (states.includes("ending"))
    conditions.push({
      sql: `instances.id NOT IN (
        SELECT nobodys.id FROM instances AS nobodys
         WHERE nobodys.state = 'ending' AND nobodys.password_nonce IS NOT NULL)`,
      values: [],
    });
  if (search.host !== undefined) {
    const rows = isAscii(search.host)
      ? await sql.rows<{ id: number }>("SELECT id FROM hosts WHERE name = ?", [search.host])
      : [];
    conditions.push(
      among(
        "host_id",
        rows.map(({ id }) => id),
      ),
    );
  }
  if (search.heldAt !== undefined)
    conditions.push({
      sql: "created_at <= ? AND (ended_at IS NULL OR ended_at >= ?)",
      values: [search.heldAt, search.heldAt],
    });
  if (search.text !== undefined && search.text !== "")
    conditions.push(await matching(sql, search.text, search.withoutHolders === true));
  return conditions;
}

async function matching(sql: Sql, text: string, withoutHolders: boolean): Promise<Condition> {
  if (/^:\d{1,5}$/.test(text)) return { sql: "port = ?", values: [Number(text.slice(1))] };
  const [, address, port] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  const places =
    address === undefined
      ? []
      : await sql.rows<{ id: number }>("SELECT id FROM hosts WHERE public_host = ?", [address]);
  if (places.length > 0)
    return {
      sql: `(${
        among(
          "host_id",
          places.map(({ id }) => id),
        ).sql
      } AND port = ?)`,
      values: [...places.map(({ id }) => id), Number(port)],
    };
  const hosts = isAscii(text)
    ? await sql.rows<{ id: number }>("SELECT id FROM hosts WHERE name LIKE ?", [`%${literal(text)}%`])
    : [];
  // A text that cannot be an id or an address is not searched for as one: one key is read faster than several.
  const either = [
    ...(/^[0-9a-z]{1,16}$/.test(text) ? [{ sql: "instances.id LIKE ?", values: [`${text}%`] }] : []),
    ...(withoutHolders ? [] : ofHolder(text)),
    ...(hosts.length > 0
      ? [
          among(
            "host_id",
            hosts.map(({ id }) => id),
          ),
        ]
      : []),
  ];
  return either.length === 0
    ? { sql: "FALSE", values: [] }
    : { sql: `(${either.map(({ sql }) => sql).join(" OR ")})`, values: valuesOf(either) };
}

/**
 * Holders are kept by the key that quotas count by: a whole address means one holder, a part the beginning of
 * several.
 */
function ofHolder(text: string): Condition[] {
  const network = text.replace(/\/64$/, "");
  const whole = isIPv6(network) ? network : text;
  if (isIP(whole) !== 0) return [{ sql: "address = ?", values: [addressKey(whole)] }];
  return /^[0-9a-f.:/]+$/.test(text) ? [{ sql: "address LIKE ?", values: [`${text}%`] }] : [];
}

/**
 * Condition for what follows the last instance of the previous page; when that has been deleted meanwhile, the
 * first page comes again.
 */
async function beyond(sql: Sql, { after, order, descending }: InstanceSearch): Promise<Condition[]> {
  if (after === undefined) return [];
  const column = columnsOfOrder[order];
  const [last] = await sql.rows<{ value: string | number | Date }>(
    `SELECT ${column} AS value FROM instances WHERE id = ?`,
    [after],
  );
  if (!last) return [];
  const sign = descending ? "<" : ">";
  return [
    {
      sql: `${column} ${sign}= ? AND (${column} ${sign} ? OR instances.id ${sign} ?)`,
      values: [last.value, last.value, after],
    },
  ];
}

function among(column: string, values: readonly number[]): Condition {
  return values.length === 0 ? { sql: "FALSE", values: [] } : { sql: `${column} IN (${marks(values)})`, values };
}

function where(conditions: readonly Condition[]): string {
  return conditions.length === 0 ? "" : `WHERE ${conditions.map(({ sql }) => sql).join(" AND ")}`;
}

function valuesOf(conditions: readonly Condition[]): (string | number | Date)[] {
  return conditions.flatMap(({ values }) => values);
}

function marks(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ");
}

/** A text with the characters escaped that have a meaning to LIKE. */
function literal(text: string): string {
  return text.replace(/[\\%_]/g, "\\$&");
}
