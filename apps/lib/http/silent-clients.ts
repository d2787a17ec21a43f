import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** Time for a request that is being sent to become complete, once the server stops. */
const SENDING_MS = 5_000;

/**
 * Makes a stopping server wait only for clients that wait for an answer. Node also waits for connections on
 * which nothing, or only a part of a request, was sent, and checks no time-outs any more by then.
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
