import { rm } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { idOfName } from "../core/services/address.ts";
import { createConcierge, TOO_MANY, WRONG_PASSWORD, type Courtesy } from "../core/edge/concierge.ts";
import { proxyHeader, readProxyHeader, type ProxyHeader } from "../core/edge/proxy-header.ts";

/** What the concierge needs. */
export type ConciergeOptions = {
  readonly domain: string;
  /** Where clients come from, and where those go that log in: sockets of the plane. */
  readonly socketPath: string;
  readonly innerSocketPath: string;
  /** Where those come from that are too many. */
  readonly fullSocketPath: string;
  readonly hasRoute: (id: string) => boolean;
  /** Time that a client gets to log in. */
  readonly loginMs: number;
  /** Most clients at once that have not logged in: the one that has waited longest makes room for the next. */
  readonly most: number;
};

/**
 * Answers clients that say something else before they log in, and sends them on once they do. It never knows whether a
 * password is right: the instance does.
 */
export async function startConcierge(options: ConciergeOptions): Promise<{ readonly close: () => Promise<void> }> {
  const waiting = new Set<Socket>();
  const closers = [
    await serve(options.socketPath, (client) => {
      const [longest] = waiting;
      if (longest && waiting.size >= options.most) longest.destroy();
      waiting.add(client);
      const leave = () => void waiting.delete(client);
      client.on("close", leave);
      receive(client, options, leave);
    }),
    await serve(options.fullSocketPath, (client) => {
      client.setTimeout(options.loginMs, () => client.destroy());
      // What is not read would reset the connection, and the answer with it.
      client.once("data", () => client.end(TOO_MANY, "latin1", () => client.destroy()));
    }),
  ];
  return {
    close: async () => {
      await Promise.all(closers.map((close) => close()));
    },
  };
}

/** Listens at a path, and returns what ends it with all its clients. */
async function serve(path: string, onClient: (client: Socket) => void): Promise<() => Promise<void>> {
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client);
    client.on("close", () => clients.delete(client));
    client.on("error", () => client.destroy());
    onClient(client);
  });
  await rm(path, { force: true });
  await listen(server, path);
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const client of clients) client.destroy();
    });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Talks to one client until it logs in, gives up, or its time is over. */
function receive(client: Socket, options: ConciergeOptions, onPassedOn: () => void): void {
  let head: Buffer = Buffer.alloc(0);
  let header: ProxyHeader | undefined;
  let concierge: ReturnType<typeof createConcierge> | undefined;
  const timer = setTimeout(() => client.destroy(), options.loginMs);
  client.on("close", () => clearTimeout(timer));
  client.on("end", () => client.end());
  client.on("data", onData);

  function onData(sent: Buffer): void {
    if (concierge && header) {
      answer(header, concierge.take(sent));
      return;
    }
    head = Buffer.concat([head, sent]);
    const read = readProxyHeader(head);
    if (read === "part") return;
    if (read === undefined) return void client.destroy();
    header = read.header;
    const named = header.authority === undefined ? undefined : idOfName(options, header.authority);
    concierge = createConcierge(named, options.hasRoute);
    if (head.length > read.bytes) answer(header, concierge.take(head.subarray(read.bytes)));
  }

  function answer(from: ProxyHeader, { reply, next }: Courtesy): void {
    if (reply !== "") client.write(reply, "latin1");
    if (next.kind === "close") client.end();
    if (next.kind === "wait") return;
    client.off("data", onData);
    if (next.kind !== "pass-on") return;
    clearTimeout(timer);
    onPassedOn();
    client.pause();
    client.removeAllListeners("end");
    passOn(client, { ...from, authority: `${next.id}.${options.domain}` }, next, options);
  }
}

/** Connects a client to its instance, through the same rules as everybody. */
function passOn(
  client: Socket,
  from: ProxyHeader,
  { id, login, rest }: Extract<Courtesy["next"], { kind: "pass-on" }>,
  { innerSocketPath, hasRoute }: ConciergeOptions,
): void {
  const inner = createConnection({ path: innerSocketPath, allowHalfOpen: true });
  inner.write(Buffer.concat([proxyHeader(from), login, rest]));
  inner.once("data", (first) => {
    client.write(first);
    inner.pipe(client);
    client.pipe(inner);
    client.resume();
  });
  const refuse = () => {
    // The instance has ended meanwhile; else its address has too many connections, and its password may be right.
    if (inner.bytesRead === 0 && !hasRoute(id)) client.end(WRONG_PASSWORD, "latin1");
    else client.end();
  };
  inner.once("end", refuse);
  inner.on("error", () => {
    refuse();
    inner.destroy();
  });
  inner.on("close", () => client.end());
  client.on("close", () => inner.destroy());
}
