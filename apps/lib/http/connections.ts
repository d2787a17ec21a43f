import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { HttpBounds } from "./bounds.ts";
import { connectionsWithin, openFilesLimit } from "./descriptors.ts";

/** How a server counts its connections. */
export type ConnectionCounting = {
  /** What an address counts as. */
  readonly keyOf: (address: string) => string;
  /** Proxies send many people's requests: theirs count in all alone, and are not closed for others. */
  readonly isProxy: (address: string) => boolean;
  /** Called for each connection that was closed to keep a bound. */
  readonly onClosed: (kind: "idle" | "new", address: string) => void;
};

type Connection = {
  readonly socket: Socket;
  readonly address: string;
  /** Address and port, which it is known by: with TLS, the socket of a request is not that of its connection. */
  readonly place: string;
  /** What it counts as; undefined for a proxy's. */
  readonly key: string | undefined;
  /** Requests without an answer so far. */
  readonly requests: Set<IncomingMessage>;
};

/**
 * Bounds the connections of a server, in all and by address. One beyond the bound takes the place of the one that has
 * waited longest without a request, or whose request is still being sent; it is closed itself when all others wait
 * for answers. So connections that somebody opens and leaves take nobody's place.
 */
export function boundConnections(
  server: Server,
  bounds: Pick<HttpBounds, "connections" | "connectionsPerAddress">,
  { keyOf, isProxy, onClosed }: ConnectionCounting,
): void {
  const most = connectionsWithin(bounds.connections, openFilesLimit());
  const all = new Map<string, Connection>();
  const byKey = new Map<string, Set<Connection>>();
  // In the order in which they began to wait.
  const idle = new Set<Connection>();

  server.on("connection", (socket: Socket) => {
    const { remoteAddress: address } = socket;
    // It has been closed meanwhile.
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const key = isProxy(address) ? undefined : keyOf(address);
    const connection: Connection = { socket, address, place: placeOf(socket), key, requests: new Set() };
    const ofKey = key === undefined ? undefined : (byKey.get(key) ?? new Set());
    if (
      (ofKey && ofKey.size >= bounds.connectionsPerAddress && !makeRoom(ofKey, ofKey)) ||
      (all.size >= most && !makeRoom(idle, all.values()))
    ) {
      socket.destroy();
      onClosed("new", address);
      return;
    }
    all.set(connection.place, connection);
    idle.add(connection);
    if (key !== undefined && ofKey) byKey.set(key, ofKey.add(connection));
    socket.once("close", () => forget(connection));
  });

  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const connection = all.get(placeOf(request.socket));
    if (!connection) return;
    connection.requests.add(request);
    idle.delete(connection);
    response.once("close", () => {
      connection.requests.delete(request);
      if (connection.requests.size === 0 && !connection.socket.destroyed) idle.add(connection);
    });
  });

  /** Closes one of `waiting`, else one of `others` whose request has not come whole; false when there is none. */
  function makeRoom(waiting: Iterable<Connection>, others: Iterable<Connection>): boolean {
    const chosen = first(waiting, ({ requests }) => requests.size === 0) ?? first(others, isSending);
    if (!chosen) return false;
    forget(chosen);
    chosen.socket.destroy();
    onClosed("idle", chosen.address);
    return true;
  }

  function forget(connection: Connection): void {
    if (all.get(connection.place) === connection) all.delete(connection.place);
    idle.delete(connection);
    if (connection.key === undefined) return;
    const ofKey = byKey.get(connection.key);
    ofKey?.delete(connection);
    if (ofKey?.size === 0) byKey.delete(connection.key);
  }
}

function placeOf({ remoteAddress = "", remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function isSending({ requests }: Connection): boolean {
  return [...requests].some(({ complete }) => !complete);
}

/** The first one that fits and is not a proxy's. */
function first(connections: Iterable<Connection>, fits: (connection: Connection) => boolean): Connection | undefined {
  for (const connection of connections) if (connection.key !== undefined && fits(connection)) return connection;
  return undefined;
}
