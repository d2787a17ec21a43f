import type { Events } from "../core/events/contract.ts";
import type { Happening } from "../core/events/event.ts";
import type { createCarrier } from "../core/edge/carry-routes.ts";
import type { LeasePlane, Membership, PlaneFacts, RouteNews } from "../core/edge/contract.ts";
import { MOST_MACHINE_ADDRESSES, type Gateway } from "../core/edge/gateway.ts";
import { PlaneFault } from "../core/edge/plane-fault.ts";
import { messageOf } from "../lib/errors.ts";
import { Unavailable } from "../lib/unavailable.ts";

/** What a gateway needs. */
export type GatewayPorts = {
  readonly carrier: ReturnType<typeof createCarrier>;
  readonly plane: Pick<LeasePlane, "readFacts">;
  /** Has the plane run, with the configuration that is due now; the carrier takes no step while it is started. */
  readonly bringPlane: () => Promise<void>;
  readonly isPlaneRunning: () => Promise<boolean>;
  readonly membership: Membership;
  readonly news: Pick<RouteNews, "onNudge" | "acknowledge">;
  readonly events: Pick<Events, "add">;
  readonly clock: () => Date;
  /** Milliseconds on a clock that nobody sets. */
  readonly nowMs: () => number;
  /** Resolves after so many milliseconds, or early when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (level: "info" | "warn", fields: object, message: string) => void;
};

/** How a gateway is called, and when it does what. */
export type GatewayRules = {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Of its machine, which may get others while it runs. */
  readonly machineAddresses: () => readonly string[];
  readonly version: string;
  readonly beatMs: number;
  readonly lifeMs: number;
  readonly checkMs: number;
  readonly hungMs: number;
};

const LONGEST_BACKOFF_MS = 30_000;
/** An alarm goes on for as long as it is reported again. */
const REPORT_MS = 60_000;

/**
 * A gateway: it has its plane carry all routes, and says so for as long as it does. It lives by two loops that do not
 * wait for each other: a database that is away takes no gateway from those who use it.
 */
export function createGateway(ports: GatewayPorts, rules: GatewayRules) {
  const { carrier, plane, membership, news } = ports;
  const nudged = new Set<string>();
  let wake: () => void = () => undefined;
  const looks: { readonly resolve: (isWhole: boolean) => void }[] = [];

  /** Whether it is a member, and why not when it was one. */
  let isMember = false;
  let isDraining = false;
  /** When the last step that was whole began: all that had been kept by then is carried. */
  let wholeAtMs: number | undefined;
  let planeFaultAtMs: number | undefined;
  const begunAtMs = ports.nowMs();
  let bringAgainAtMs = 0;
  let backoffMs = rules.beatMs;
  /** When it was told last that no way leads to hosts of these addresses. */
  const unroutableToldMs = new Map<string, number>();

  /** Works until it is told to stop, and withdraws then. */
  async function run(stop: AbortSignal): Promise<void> {
    const stopHearing = news.onNudge((ids) => {
      for (const id of ids) nudged.add(id);
      wake();
    });
    try {
      await Promise.all([carryOn(stop), liveOn(stop)]);
    } finally {
      stopHearing();
      if (isMember) await leave("it was told to stop");
    }
  }

  async function carryOn(stop: AbortSignal): Promise<void> {
    let checkAtMs = 0;
    while (!stop.aborted) {
      const begunAtMs = ports.nowMs();
      const named = [...nudged];
      nudged.clear();
      const waiting = looks.splice(0);
      const isChecked = begunAtMs >= checkAtMs;
      if (isChecked) checkAtMs = begunAtMs + rules.checkMs;
      const report = await carrier.step(named, isChecked);
      if (report.isWhole) wholeAtMs = begunAtMs;
      else for (const id of named) nudged.add(id);
      for (const { resolve } of waiting) resolve(report.isWhole);
      await acknowledge(report.carried);
      if (report.repaired > 0) {
        const reason = `${rules.name}: ${report.repaired} routes were not as it had left them, and are right again`;
        await note({ kind: "routes-repaired", reason });
      }
      await tellUnroutable();
      if (nudged.size === 0 && looks.length === 0) await pauseUntilWoken(stop);
      // What failed is not tried again without a rest.
      else if (!report.isWhole) await ports.pause(rules.checkMs / 10, stop);
    }
    for (const { resolve } of looks.splice(0)) resolve(false);
  }

  /** Tells of hosts that it cannot lead to, for as long as there are any. */
  async function tellUnroutable(): Promise<void> {
    const byAddress = Map.groupBy(carrier.unreachable().values(), (address) => address);
    for (const [address, instances] of byAddress) {
      if (ports.nowMs() - (unroutableToldMs.get(address) ?? -Infinity) < REPORT_MS) continue;
      unroutableToldMs.set(address, ports.nowMs());
      const reason =
        `${rules.name} cannot lead to instances (${instances.length} now) of the host that is known as ` +
        `"${address.slice(0, 100)}": gateways look up no names. Register the host anew with its IP address`;
      await note({ kind: "host-unroutable", alarm: true, reason });
    }
    for (const address of unroutableToldMs.keys()) if (!byAddress.has(address)) unroutableToldMs.delete(address);
  }

  async function pauseUntilWoken(stop: AbortSignal): Promise<void> {
    const woken = new AbortController();
    wake = () => woken.abort();
    await ports.pause(rules.checkMs, AbortSignal.any([stop, woken.signal]));
    wake = () => undefined;
  }

  async function acknowledge(carried: Parameters<RouteNews["acknowledge"]>[1]): Promise<void> {
    if (carried.length === 0) return;
    try {
      await news.acknowledge(rules.name, carried);
    } catch (fault) {
      // Whoever waits asks again.
      if (!(fault instanceof Unavailable)) throw fault;
    }
  }

  /** Resolves once a step has been done that began after this call: whether it was whole. */
  function look(): Promise<boolean> {
    return new Promise((resolve) => {
      looks.push({ resolve });
      wake();
    });
  }

  async function liveOn(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await beat();
      await ports.pause(rules.beatMs, stop);
    }
  }

  /** Says that it lives, if it does; brings its plane back, if that does not. */
  async function beat(): Promise<void> {
    const facts = await readFacts();
    if (facts === undefined) return;
    const isBehind = wholeAtMs === undefined || ports.nowMs() - wholeAtMs > rules.lifeMs;
    if (isBehind) {
      if (isMember) await leave("it cannot read routes, or cannot have them carried; those that it has are carried on");
      return;
    }
    try {
      if (isMember && (await membership.renew(described(facts, isDraining ? "draining" : "live"), rules.lifeMs)))
        return;
      if (isMember) ports.log("warn", {}, "this gateway's life had ended meanwhile; it joins again");
      isMember = false;
      await join(facts);
    } catch (fault) {
      // Its key ends by itself; what it carries stays.
      if (!(fault instanceof Unavailable)) throw fault;
    }
  }

  /**
   * From the first of these steps on it is waited for, so that nothing begins or ends between its look and its life
   * that it would not hear of.
   */
  async function join(facts: PlaneFacts): Promise<void> {
    await membership.join(described(facts, "joining"), rules.lifeMs);
    const isWhole = await look();
    if (!isWhole || !(await membership.renew(described(facts, isDraining ? "draining" : "live"), rules.lifeMs))) {
      await membership.withdraw(rules.name);
      return;
    }
    isMember = true;
    ports.log("info", { routes: carrier.table().size }, "this gateway carries all routes");
    await note({ kind: "gateway-join", reason: `${rules.name} carries all routes` });
  }

  async function leave(why: string): Promise<void> {
    isMember = false;
    await membership.withdraw(rules.name).catch((fault: unknown) => {
      if (!(fault instanceof Unavailable)) throw fault;
    });
    ports.log("warn", { why }, "this gateway is none any more");
    await note({ kind: "gateway-leave", reason: `${rules.name} is no gateway any more: ${why}` });
  }

  function described({ connections, ...figures }: PlaneFacts, state: Gateway["state"]): Gateway {
    return {
      name: rules.name,
      state,
      addresses: [...rules.addresses],
      machineAddresses: rules.machineAddresses().slice(0, MOST_MACHINE_ADDRESSES),
      routes: carrier.table().size,
      unroutable: carrier.unreachable().size,
      connections,
      version: rules.version,
      // One that joins has not carried all of it so far, and tells how long it has been at it.
      figures: { ...figures, lagMs: Math.round(ports.nowMs() - (wholeAtMs ?? begunAtMs)) },
    };
  }

  /** What the plane says of itself; undefined when it does not answer: then it is brought back. */
  async function readFacts(): Promise<PlaneFacts | undefined> {
    try {
      const facts = await plane.readFacts();
      planeFaultAtMs = undefined;
      backoffMs = rules.beatMs;
      return facts;
    } catch (fault) {
      if (!(fault instanceof PlaneFault)) throw fault;
      planeFaultAtMs ??= ports.nowMs();
      if (isMember) await leave(messageOf(fault));
      await revive(planeFaultAtMs);
      return undefined;
    }
  }

  /** Starts the plane again when it is gone, or has not answered for too long. */
  async function revive(faultAtMs: number): Promise<void> {
    const isHung = ports.nowMs() - faultAtMs >= rules.hungMs;
    if (!isHung && (await ports.isPlaneRunning())) return;
    if (ports.nowMs() < bringAgainAtMs) return;
    try {
      await ports.bringPlane();
      wake();
      const why = isHung ? "did not answer any more" : "was gone";
      ports.log("warn", { why }, "HAProxy was started again");
      await note({ kind: "plane-start", reason: `${rules.name}: its HAProxy ${why}, and was started again` });
    } catch (fault) {
      if (!(fault instanceof PlaneFault)) throw fault;
      bringAgainAtMs = ports.nowMs() + backoffMs;
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
      ports.log("warn", { err: fault }, "HAProxy cannot be started");
      await note({ kind: "configuration-refused", alarm: true, reason: `${rules.name}: ${messageOf(fault)}` });
    }
  }

  /** Keeps an event; while MySQL is away, the log alone has it. */
  async function note(happening: Happening): Promise<void> {
    try {
      await ports.events.add({ actor: "gateway", ...happening }, ports.clock());
    } catch (fault) {
      if (!(fault instanceof Unavailable)) throw fault;
      ports.log("warn", { kind: happening.kind, reason: happening.reason }, "an event is not kept");
    }
  }

  return {
    run,
    note,
    /** From now on it is to get no new clients, or is to get some again. */
    drain: async (is: boolean) => {
      if (is === isDraining) return;
      isDraining = is;
      const what = is ? "drains: new clients are led to others, and open connections go on" : "takes new clients again";
      await note({ kind: "gateway-drain", reason: `${rules.name} ${what}` });
    },
    /** What is carried by its plane was lost. */
    planeStarted: () => wake(),
  };
}
