import { pathOf } from "../../lib/http/requests.ts";
import type { App } from "../app.ts";

/** Logs one line a request; requests that machines repeat all the time only at level debug. */
export function logRequests(app: App): void {
  app.addHook("onResponse", (request, reply, done) => {
    const level = request.routeOptions.config.rateLimit === false ? "debug" : "info";
    request.log[level](
      {
        method: request.method,
        path: pathOf(request),
        status: reply.statusCode,
        address: request.ip,
        ms: Math.round(reply.elapsedTime),
      },
      "request",
    );
    done();
  });
}
