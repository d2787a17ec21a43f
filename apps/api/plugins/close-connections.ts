import type { App } from "../app.ts";

/**
 * Closes connections with their next answer once the server stops: a client that keeps one open would keep the
 * process running.
 */
export function closeConnectionsOnStop(app: App): void {
  let isStopping = false;
  app.addHook("preClose", (done) => {
    isStopping = true;
    done();
  });
  app.addHook("onSend", (_request, reply, _payload, done) => {
    if (isStopping) reply.header("connection", "close");
    done();
  });
}
