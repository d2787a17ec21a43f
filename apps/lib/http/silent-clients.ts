import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** Time that a request which is being sent gets to be whole, once the server stops. */
const SENDING_MS = 5_000;

/**
 * Lets a stopping server wait for those alone who wait for it. Node goes on waiting for connections on
 * which nobody has said anything, or not all of a request, and checks no time-outs any more by then.
 */
export function dropSilentClients(app: FastifyInstance): void {
  const sockets = new Set<Socket>();
  const requests = new Map<Socket, IncomingMessage>();
  app.server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  app.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    requests.set(socket, request);
    response.once("close", () => requests.delete(socket));
  });
  app.addHook("preClose", (done) => {
    for (const socket of sockets) if (!requests.has(socket)) socket.destroy();
    setTimeout(() => {
      for (const [socket, request] of requests) if (!request.complete) socket.destroy();
    }, SENDING_MS).unref();
    done();
  });
}
