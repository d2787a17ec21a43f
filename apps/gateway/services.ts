import type { carryServices, CarriedServices } from "../core/balance/carry-services.ts";
import type { ServiceFollower } from "../core/balance/follow-services.ts";
import type { HaproxyOptions } from "../core/balance/haproxy.ts";
import type { KeptConfiguration } from "../core/balance/keep-configuration.ts";
import { renderListing } from "../core/balance/listing.ts";
import { renderNginx } from "../core/balance/nginx.ts";
import type { Balanced } from "../core/balance/service.ts";

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
};

/** How services are carried on a gateway. */
export type ServiceStepRules = Omit<HaproxyOptions, "certificates"> & {
  /** What carries HTTP. */
  readonly renderer: "haproxy" | "nginx" | "stdout";
};

/** A certificate that can be served, and a mark that changes with it. */
export type ServedCertificate = { readonly haproxy: string; readonly nginx: string; readonly mark: string } | null;

/**
 * One look at what services there are, and at what carries them. What ran before stays until all has been read once.
 * Resolves to how they are carried by HAProxy.
 * @throws PlaneFault when HAProxy or nginx does not do as it should; the next step begins anew
 */
export function createServiceStep(
  { follower, haproxy, nginx, print }: ServiceStepPorts,
  { renderer, ...options }: ServiceStepRules,
): (certificate: ServedCertificate) => Promise<CarriedServices> {
  let printed = "";
  let wasWhole = false;

  return async (certificate) => {
    const { services, isWhole } = await follower.look();
    // What an earlier process has left running may be more than is known now.
    if (!isWhole && ((await haproxy.isRunning()) || (await nginx.isRunning()))) return new Map();
    const isFirst = isWhole && !wasWhole;
    wasWhole ||= isWhole;
    const web = renderer === "haproxy" ? [] : services.filter(({ protocol }) => protocol === "http");
    if (renderer === "stdout") list(web);
    else await serveWeb(web, certificate, isFirst);
    const others = services.filter((service) => !web.includes(service));
    const carried = await haproxy.carry(others, {
      ...options,
      certificates: certificate?.haproxy ?? null,
      mark: certificate?.mark ?? "",
    });
    if (carried.size === 0 && (await haproxy.isRunning())) await haproxy.stop();
    return carried;
  };

  function list(web: readonly Balanced[]): void {
    const listing = renderListing(web);
    if (listing !== printed) print(listing);
    printed = listing;
  }

  async function serveWeb(web: readonly Balanced[], certificate: ServedCertificate, isFirst: boolean): Promise<void> {
    if (web.length === 0) {
      if (isFirst || (await nginx.isRunning())) await nginx.stop();
      nginx.configuration.forget();
      return;
    }
    // It may have ended, or been killed.
    if (!(await nginx.isRunning())) nginx.configuration.forget();
    const text = renderNginx(web, {
      ...options,
      certificate: certificate?.nginx ?? null,
      folder: nginx.folder,
    });
    await nginx.configuration.keep(`# certificate ${certificate?.mark ?? "none"}\n${text}`);
  }
}
