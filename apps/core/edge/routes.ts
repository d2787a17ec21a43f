import { isIP } from "node:net";

/** Where an instance is, as a gateway reaches it. */
export type Target = { readonly address: string; readonly port: number };

/** The way to an instance. */
export type Route = Target & { readonly id: string };

/** Targets by the ids of their instances, each as {@link targetText} writes it. */
export type RouteTable = ReadonlyMap<string, string>;

/** One change of a table: "set" is of a route that is there, with another target. */
export type RouteChange =
  | { readonly kind: "add" | "set"; readonly id: string; readonly target: string }
  | { readonly kind: "delete"; readonly id: string };

/** A target in the one form in which it is compared and kept: address and port, with a space between them. */
export function targetText({ address, port }: Target): string {
  return `${address} ${port}`;
}

/** Whether a plane can send to this target: names are not looked up. */
export function isReachable({ address, port }: Target): boolean {
  return isIP(address) !== 0 && port > 0 && port <= 65_535;
}

/** Changes that make `actual` equal to `desired`: what must go comes first. */
export function diffRoutes(desired: RouteTable, actual: RouteTable): RouteChange[] {
  const changes: RouteChange[] = [];
  for (const id of actual.keys()) if (!desired.has(id)) changes.push({ kind: "delete", id });
  for (const [id, target] of desired)
    if (actual.get(id) !== target) changes.push({ kind: actual.has(id) ? "set" : "add", id, target });
  return changes;
}

/**
 * The routes that instances have, as far as they are known: what was read of them is put together here. Nothing is
 * forgotten while nothing can be read.
 */
export function createRouteView() {
  const table = new Map<string, string>();
  const unreachable = new Set<string>();

  function put(route: Route): void {
    if (isReachable(route)) {
      table.set(route.id, targetText(route));
      unreachable.delete(route.id);
    } else {
      table.delete(route.id);
      unreachable.add(route.id);
    }
  }

  /** Takes on what was read: all there is, or what has changed and which of the others are no more. */
  function take(read: {
    readonly isAll: boolean;
    readonly routes: readonly Route[];
    readonly gone: readonly string[];
  }) {
    if (read.isAll) {
      table.clear();
      unreachable.clear();
    }
    for (const id of read.gone) {
      table.delete(id);
      unreachable.delete(id);
    }
    for (const route of read.routes) put(route);
  }

  return {
    take,
    /** The table as it should be. */
    table: (): RouteTable => table,
    /** Instances whose hosts have no address that can be sent to. */
    unreachable: (): ReadonlySet<string> => unreachable,
  };
}
