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

/**
 * Changes that make `actual` equal to `desired`, one for each route: what must go comes first.
 * @param ids the only ones that may differ, as often as they come; all, when they are not given
 */
export function diffRoutes(desired: RouteTable, actual: RouteTable, ids?: Iterable<string>): RouteChange[] {
  const gone: RouteChange[] = [];
  const kept: RouteChange[] = [];
  for (const id of new Set(ids ?? [...actual.keys(), ...desired.keys()])) {
    const [target, carried] = [desired.get(id), actual.get(id)];
    if (target === carried) continue;
    if (target === undefined) gone.push({ kind: "delete", id });
    else kept.push({ kind: carried === undefined ? "add" : "set", id, target });
  }
  return [...gone, ...kept];
}

/** A table as a file has it: a line for each route. */
export function routeLines(table: RouteTable): string {
  return Array.from(table, ([id, target]) => `${id} ${target}\n`).join("");
}

/** Reads what {@link routeLines} wrote. */
export function readRouteLines(text: string): RouteTable {
  return new Map(
    text.split("\n").flatMap((line) => {
      const [, id, target] = /^([0-9a-z]{16}) (\S+ \d+)$/.exec(line) ?? [];
      return id === undefined || target === undefined ? [] : [[id, target] as const];
    }),
  );
}
