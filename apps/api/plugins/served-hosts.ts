import { ProblemError } from "../../lib/http/problem.ts";
import { inNetworks } from "../../lib/http/networks.ts";
import type { App } from "../app.ts";
import { isServed, type HostRules } from "../callers/served-hosts.ts";
import { problems } from "../problems/problems.ts";

/** Refuses requests for names that are not this service's, before anything else is done for them. */
export function refuseOtherHosts(
  app: App,
  { hosts, trustedProxies: proxies }: { readonly hosts: HostRules; readonly trustedProxies: readonly string[] },
): void {
  const isProxy = inNetworks(proxies);
  app.addHook("onRequest", (request, _reply, done) => {
    if (!isServed(request.hostname, hosts, isProxy(request.socket.remoteAddress)))
      throw new ProblemError(problems.otherHost(request.hostname));
    done();
  });
}
