import type { Routes, RoutesMark, RoutesRead } from "../../core/edge/contract.ts";
import type { Database, Sql } from "./database.ts";
import { COMMIT_SECONDS } from "./hosts.ts";
import { filled, NAMED_AT_ONCE, parts, PLACES } from "./lists.ts";

type Row = { id: string; address: string; port: number; is_open: number };

/** Of instances that have a slot and are not ending. */
const OPEN = "instances.state IN ('starting', 'running', 'warming', 'warm')";
const COLUMNS = `instances.id, hosts.check_host AS address, instances.port, ${OPEN} AS is_open`;
const FROM = "FROM instances JOIN hosts ON hosts.id = instances.host_id";

/** Routes, read from rows of instances and their hosts. */
export function routeStatements(database: Database): Routes {
  const read: Routes["read"] = (mark, named) =>
    database.query(async (sql) => {
      // Before the rows: what changes meanwhile is read again with the next call.
      const [time] = await sql.rows<{ now: string }>("SELECT UNIX_TIMESTAMP(CURRENT_TIMESTAMP(3)) AS now");
      const next = { at: Number(time?.now) - COMMIT_SECONDS };
      return mark === undefined ? readAll(sql, next) : readChanged(sql, mark, named, next);
    });

  return { read };
}

async function readAll(sql: Sql, mark: RoutesMark): Promise<RoutesRead> {
  const rows = await sql.rows<Row>(`SELECT ${COLUMNS} ${FROM} WHERE ${OPEN}`);
  return { isAll: true, routes: rows.map(toRoute), gone: [], mark };
}

async function readChanged(
  sql: Sql,
  { at }: RoutesMark,
  named: readonly string[],
  mark: RoutesMark,
): Promise<RoutesRead> {
  const rows = await sql.rows<Row>(
    `SELECT ${COLUMNS} ${FROM} WHERE instances.touched_at >= FROM_UNIXTIME(?)
      UNION SELECT ${COLUMNS} ${FROM} WHERE hosts.touched_at >= FROM_UNIXTIME(?) AND ${OPEN}`,
    [at, at],
  );
  for (const part of parts(named, NAMED_AT_ONCE))
    rows.push(...(await sql.rows<Row>(`SELECT ${COLUMNS} ${FROM} WHERE instances.id IN (${PLACES})`, filled(part))));
  // Later rows are fresher. One that nobody has held leaves no row when it is closed.
  const byId = new Map(rows.map((row) => [row.id, row]));
  return {
    isAll: false,
    routes: [...byId.values()].filter(({ is_open: isOpen }) => isOpen === 1).map(toRoute),
    gone: [
      ...[...byId.values()].filter(({ is_open: isOpen }) => isOpen !== 1).map(({ id }) => id),
      ...named.filter((id) => !byId.has(id)),
    ],
    mark,
  };
}

function toRoute({ id, address, port }: Row) {
  return { id, address, port };
}
