import { Unavailable } from "../../lib/unavailable.ts";
import type { CarriedRoute, LeasePlane, Routes, RoutesMark } from "./contract.ts";
import { PlaneFault } from "./plane-fault.ts";
import { createRouteView } from "./route-view.ts";
import { diffRoutes, type RouteChange, type RouteTable } from "./routes.ts";

/** What carrying routes needs. */
export type CarryPorts = {
  readonly routes: Routes;
  readonly plane: Pick<LeasePlane, "readRoutes" | "changeRoutes" | "swapRoutes" | "endSessions">;
  /** Milliseconds on a clock that nobody sets. */
  readonly nowMs: () => number;
};

/** How a step went. */
export type CarryReport = {
  /** What the plane carries for the instances that were asked for; none while that is not known for sure. */
  readonly carried: readonly CarriedRoute[];
  /** Whether all that was read is carried: false when the routes could not be read, or the plane did not take them on. */
  readonly isWhole: boolean;
  readonly changed: number;
  /** Routes that were not as they had been left: somebody else has changed them, or the plane has lost them. */
  readonly repaired: number;
  readonly endedSessions: number;
  readonly fault: Unavailable | PlaneFault | undefined;
};

/** From so many changes on, a whole table is put in the place of another: single changes take longer in a large one. */
const SWAP_FROM = 200;

/**
 * Has a plane carry the routes of all instances. While these cannot be read, what was read last is carried on.
 * Steps are done one after the other.
 * @param rereadMs time after which all routes are read, and not only those that have changed
 */
export function createCarrier({ routes, plane, nowMs }: CarryPorts, { rereadMs }: { readonly rereadMs: number }) {
  const view = createRouteView();
  let mark: RoutesMark | undefined;
  let rereadAtMs = -Infinity;
  /** What the plane carries, as far as that is known. */
  let carried: Map<string, string> | undefined;
  /** Where routes led that are no more, whose connections have not been ended yet. */
  const left = new Map<string, string>();
  let turn: Promise<unknown> = Promise.resolve();

  /** One after the other. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  }

  /**
   * Does something to the plane between two steps, such as starting it anew: it is unknown afterwards what it carries.
   * A step beside it could change what is just being replaced, and say that it is carried.
   */
  function betweenSteps(work: () => Promise<void>): Promise<void> {
    return inTurn(async () => {
      carried = undefined;
      await work();
    });
  }

  /**
   * Reads what has changed, and these instances in any case, and has the plane carry it.
   * @param isChecked whether the plane is asked what it carries, in place of believing it
   */
  function step(named: readonly string[], isChecked: boolean): Promise<CarryReport> {
    return inTurn(() => takeStep(named, isChecked));
  }

  async function takeStep(named: readonly string[], isChecked: boolean): Promise<CarryReport> {
    let fault: CarryReport["fault"];
    let touched: Iterable<string> | undefined = [];
    try {
      touched = await read(named);
    } catch (cause) {
      if (!(cause instanceof Unavailable)) throw cause;
      fault = cause;
    }
    const none = { carried: [], changed: 0, repaired: 0, endedSessions: 0 };
    // Nothing was ever read: what the plane carries may be right, and is left as it is.
    if (mark === undefined) return { ...none, isWhole: false, fault };
    try {
      const before = carried;
      const isKnown = before !== undefined && !isChecked;
      const actual = isKnown ? before : new Map(await plane.readRoutes());
      const repaired = before === undefined || isKnown ? 0 : diffRoutes(before, actual).length;
      carried = undefined;
      const changes = diffRoutes(view.table(), actual, isKnown ? touched : undefined);
      await change(changes, actual);
      const endedSessions = await endLeft();
      carried = apply(changes, actual);
      const isWhole = fault === undefined;
      return {
        carried: isWhole ? named.map((id) => ({ id, target: view.table().get(id) ?? null })) : [],
        isWhole,
        changed: changes.length,
        repaired,
        endedSessions,
        fault,
      };
    } catch (cause) {
      if (!(cause instanceof PlaneFault)) throw cause;
      carried = undefined;
      return { ...none, isWhole: false, fault: cause };
    }
  }

  async function read(named: readonly string[]): Promise<Iterable<string>> {
    const isDue = mark === undefined || nowMs() >= rereadAtMs;
    const found = await routes.read(isDue ? undefined : mark, named);
    mark = found.mark;
    if (found.isAll) rereadAtMs = nowMs() + rereadMs;
    return [...view.take(found), ...named];
  }

  async function change(changes: readonly RouteChange[], actual: RouteTable): Promise<void> {
    for (const { kind, id } of changes) if (kind !== "add") left.set(id, actual.get(id) ?? "");
    if (changes.length === 0) return;
    if (changes.length < SWAP_FROM) await plane.changeRoutes(changes);
    else await plane.swapRoutes(view.table());
  }

  /** Ends the connections to where no route leads any more, also those that an earlier step could not end. */
  async function endLeft(): Promise<number> {
    if (left.size === 0) return 0;
    const ended = await plane.endSessions(Array.from(left, ([id, target]) => ({ id, target })));
    left.clear();
    return ended;
  }

  return {
    step,
    betweenSteps,
    /** What should be carried, as far as it was ever read. */
    table: view.table,
    unreachable: view.unreachable,
    /** Whether all routes have been read at least once. */
    hasRead: () => mark !== undefined,
  };
}

function apply(changes: readonly RouteChange[], actual: Map<string, string>): Map<string, string> {
  for (const change of changes)
    if (change.kind === "delete") actual.delete(change.id);
    else actual.set(change.id, change.target);
  return actual;
}
