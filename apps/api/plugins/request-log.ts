import type { LogSamples } from "../../lib/log-samples.ts";
import { pathOf } from "../../lib/http/requests.ts";
import type { App } from "../app.ts";
import { refusalOf } from "../problems/refusals.ts";

/**
 * Logs one line a request; requests that machines repeat all the time only at level debug. Of requests refused for
 * the same reason at the same call, the first ones of each minute: whoever sends many must not fill the log.
 */
export function logRequests(app: App, samples: Pick<LogSamples, "admits">): void {
  app.addHook("onResponse", (request, reply, done) => {
    const { config, url } = request.routeOptions;
    const status = reply.statusCode;
    const refusal = refusalOf(request);
    if (
      status < 400 ||
      samples.admits(`${status} ${request.method} ${url ?? "unknown path"} ${refusal ?? ""}`.trim())
    ) {
      const level = config.rateLimit === false ? "debug" : "info";
      request.log[level](
        {
          method: request.method,
          path: pathOf(request),
          status,
          ...(refusal !== undefined && { refusal }),
          address: request.ip,
          ms: Math.round(reply.elapsedTime),
        },
        "request",
      );
    }
    done();
  });
}
