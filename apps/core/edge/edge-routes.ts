import { Unavailable } from "../../lib/unavailable.ts";
import { awaitGateways, type AwaitGatewaysPorts } from "./await-gateways.ts";
import { RouteFault } from "./route-fault.ts";
import { targetText, type Target } from "./routes.ts";
import { traceRoute } from "./trace-route.ts";

/** What waiting for routes needs. */
export type EdgeRoutesPorts = AwaitGatewaysPorts & {
  /** A signal that aborts after so many milliseconds. */
  readonly after: (ms: number) => AbortSignal;
  /** Called for each instance that not all gateways have taken on, or given up, in time. */
  readonly onFault: (instanceId: string, fault: RouteFault) => void;
};

/** Routes at the edge, for those who start and end instances. */
export type EdgeRoutes = ReturnType<typeof createEdgeRoutes>;

/** @param acknowledgeMs time that all gateways get to take on a change */
export function createEdgeRoutes(ports: EdgeRoutesPorts, { acknowledgeMs }: { readonly acknowledgeMs: number }) {
  let isServedNow: boolean | undefined;

  /**
   * Resolves when every gateway that lives leads to an instance. Call it once the instance has its slot.
   * @throws RouteFault when that takes too long, and when none lives; Unavailable when it is unknown which live
   */
  async function untilCarried(id: string, target: Target): Promise<void> {
    if ((await settled(id, targetText(target), "taken on")) > 0) return;
    throw told(id, new RouteFault("no gateway lives that could lead to the instance"));
  }

  /**
   * Whether no gateway that lives leads to an instance any more. Call it once the end of the instance has begun. False
   * when some have not said so in time, and when it is unknown which live.
   */
  async function untilGone(id: string): Promise<boolean> {
    try {
      await settled(id, null, "given up");
      return true;
    } catch (fault) {
      if (fault instanceof Unavailable || fault instanceof RouteFault) return false;
      throw fault;
    }
  }

  async function settled(id: string, target: string | null, what: string): Promise<number> {
    const signal = ports.after(acknowledgeMs);
    try {
      return await awaitGateways(ports, id, target, signal);
    } catch (cause) {
      if (!signal.aborted || cause !== signal.reason) throw cause;
      throw told(
        id,
        new RouteFault(`not all gateways have ${what} the instance within ${acknowledgeMs} ms`, { cause }),
      );
    }
  }

  function told(id: string, fault: RouteFault): RouteFault {
    ports.onFault(id, fault);
    return fault;
  }

  /** Looks whether any gateway lives. @throws Unavailable when that is unknown: what was known last holds on */
  async function refresh(): Promise<void> {
    isServedNow = (await ports.gateways.list()).some(({ state }) => state === "live" || state === "draining");
  }

  return {
    untilCarried,
    untilGone,
    refresh,
    /** Gateways that live now. @throws Unavailable when that is unknown */
    list: ports.gateways.list,
    /** What they carry for an instance, as they say within so many milliseconds. @throws Unavailable when it is unknown which live */
    trace: (id: string, withinMs: number) => traceRoute(ports, id, ports.after(withinMs)),
    /** Whether any gateway lived at the last look; also while there has been none. */
    isServed: () => isServedNow !== false,
  };
}
