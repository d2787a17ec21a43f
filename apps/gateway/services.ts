import type { CarriedService, CarriedServices, carryServices } from "../core/balance/carry-services.ts";
import type { ServiceFollower } from "../core/balance/follow-services.ts";
import type { HaproxyOptions } from "../core/balance/haproxy.ts";
import type { KeptConfiguration } from "../core/balance/keep-configuration.ts";
import { renderListing } from "../core/balance/listing.ts";
import { nginxCannotCarry, renderNginx, type NginxOptions } from "../core/balance/nginx.ts";
import { PLAIN_HTTP_PORT, type Balanced } from "../core/balance/service.ts";
import { createTakenPorts, portsRefused } from "../core/balance/taken-ports.ts";

/** What carrying services on a gateway needs. */
export type ServiceStepPorts = {
  readonly follower: Pick<ServiceFollower, "look">;
  readonly haproxy: {
    readonly carry: ReturnType<typeof carryServices>;
    readonly isRunning: () => Promise<boolean>;
    readonly stop: () => Promise<void>;
  };
  readonly nginx: {
    readonly configuration: KeptConfiguration;
    readonly folder: string;
    readonly isRunning: () => Promise<boolean>;
    readonly stop: () => Promise<void>;
  };
  readonly print: (listing: string) => void;
  /** Raises an alarm, which is kept as an event. */
  readonly note: (reason: string) => Promise<void>;
  /** Milliseconds on a clock that nobody sets. */
  readonly nowMs: () => number;
};

/** How services are carried on a gateway. */
export type ServiceStepRules = Omit<HaproxyOptions, "certificates"> & {
  /** What carries HTTP. */
  readonly renderer: "haproxy" | "nginx" | "stdout";
};

/** A certificate that can be served, and a mark that changes with it. */
export type ServedCertificate = { readonly haproxy: string; readonly nginx: string; readonly mark: string } | null;

/** nginx tells nothing of the members of a service, nor of what goes through it. */
const untold: CarriedService = { connections: 0, accepted: 0, bytesIn: 0, bytesOut: 0, members: new Map() };

/**
 * One look at what services there are, and at what carries them. What ran before stays until all has been read once.
 * Resolves to how they are carried; undefined while that is not known. Those that are not carried are not there.
 * @throws PlaneFault when HAProxy or nginx does not do as it should; the next step begins anew
 */
export function createServiceStep(
  { follower, haproxy, nginx, print, note, nowMs }: ServiceStepPorts,
  { renderer, ...options }: ServiceStepRules,
): (certificate: ServedCertificate) => Promise<CarriedServices | undefined> {
  let printed = "";
  let wasWhole = false;
  const taken = createTakenPorts();
  /** Names of those that nginx carries. */
  let inNginx: ReadonlySet<string> = new Set();
  let leftOut: ReadonlySet<string> = new Set();

  return async (certificate) => {
    const { services, isWhole } = await follower.look();
    // What an earlier process has left running may be more than is known now.
    if (!isWhole && ((await haproxy.isRunning()) || (await nginx.isRunning()))) return undefined;
    const isFirst = isWhole && !wasWhole;
    wasWhole ||= isWhole;
    const web = renderer === "haproxy" ? [] : services.filter(({ protocol }) => protocol === "http");
    const others = services.filter((service) => !web.includes(service));
    // Of two that hand a port over, the one that gives it goes first.
    const steps = [
      async () => (renderer === "stdout" ? list(web) : serveWeb(web, others, certificate, isFirst)),
      async () => carryOthers(others, certificate),
    ] as const;
    const [first, second] = web.length === 0 ? steps : steps.toReversed();
    let carried: CarriedServices = new Map();
    try {
      carried = (await first()) ?? carried;
    } finally {
      // What is wrong with one of them keeps nothing from the other.
      carried = (await second()) ?? carried;
    }
    return new Map([...carried, ...[...inNginx].map((name) => [name, untold] as const)]);
  };

  async function carryOthers(others: readonly Balanced[], certificate: ServedCertificate): Promise<CarriedServices> {
    const carried = await haproxy.carry(others, {
      ...options,
      certificates: certificate?.haproxy ?? null,
      mark: certificate?.mark ?? "",
    });
    if (carried.size === 0 && (await haproxy.isRunning())) await haproxy.stop();
    return carried;
  }

  function list(web: readonly Balanced[]): undefined {
    const listing = renderListing(web);
    if (listing !== printed) print(listing);
    printed = listing;
  }

  async function serveWeb(
    web: readonly Balanced[],
    others: readonly Balanced[],
    certificate: ServedCertificate,
    isFirst: boolean,
  ): Promise<undefined> {
    const nginxOptions = { ...options, certificate: certificate?.nginx ?? null, folder: nginx.folder };
    await tellLeftOut(web, nginxOptions);
    // It may have ended, or been killed.
    if (!(await nginx.isRunning())) nginx.configuration.forget();
    for (;;) {
      const now = nowMs();
      const usable = web.filter(
        (service) => nginxCannotCarry(service, nginxOptions) === undefined && !taken.has(service.port, now),
      );
      if (usable.length === 0) {
        if (isFirst || (await nginx.isRunning())) await nginx.stop();
        nginx.configuration.forget();
        inNginx = new Set();
        return;
      }
      const isPlainTaken = taken.has(PLAIN_HTTP_PORT, now) || others.some(({ port }) => port === PLAIN_HTTP_PORT);
      const text = renderNginx(usable, {
        ...nginxOptions,
        redirectsPlainHttp: nginxOptions.redirectsPlainHttp && !isPlainTaken,
      });
      const kept = await nginx.configuration.keep(`# certificate ${certificate?.mark ?? "none"}\n${text}`);
      if (kept !== "refused") inNginx = new Set(usable.map(({ name }) => name));
      // Without the services whose ports something else has.
      else if (taken.add(portsRefused(nginx.configuration.refusal() ?? ""), now)) continue;
      return;
    }
  }

  /** Tells of services that nginx can never carry, each once for as long as it is so. */
  async function tellLeftOut(web: readonly Balanced[], nginxOptions: NginxOptions): Promise<void> {
    const faults = web.flatMap((service) => {
      const why = nginxCannotCarry(service, nginxOptions);
      return why === undefined ? [] : [`service ${service.name} is not carried. ${why.replace(/\.$/, "")}`];
    });
    for (const reason of faults) if (!leftOut.has(reason)) await note(reason);
    leftOut = new Set(faults);
  }
}
