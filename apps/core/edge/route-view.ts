import type { RoutesRead } from "./contract.ts";
import { isReachable, targetText, type RouteTable } from "./routes.ts";

/**
 * The routes that instances have, as far as they are known: what was read of them is put together here. Nothing is
 * forgotten while nothing can be read.
 */
export function createRouteView() {
  let table = new Map<string, string>();
  const unreachable = new Map<string, string>();

  /**
   * Takes on what was read: all there is, or what has changed and which of the others are no more.
   * @returns ids that may have another route now
   */
  function take(read: Pick<RoutesRead, "isAll" | "routes" | "gone">): Iterable<string> {
    const before = table;
    if (read.isAll) {
      table = new Map();
      unreachable.clear();
    }
    for (const id of read.gone) {
      table.delete(id);
      unreachable.delete(id);
    }
    for (const route of read.routes) {
      if (isReachable(route)) {
        table.set(route.id, targetText(route));
        unreachable.delete(route.id);
      } else {
        table.delete(route.id);
        unreachable.set(route.id, route.address);
      }
    }
    return read.isAll
      ? new Set([...before.keys(), ...table.keys()])
      : [...read.gone, ...read.routes.map(({ id }) => id)];
  }

  return {
    take,
    /** The table as it should be. */
    table: (): RouteTable => table,
    /** Instances whose hosts have no address that can be sent to, and what is there in its place. */
    unreachable: (): ReadonlyMap<string, string> => unreachable,
  };
}
