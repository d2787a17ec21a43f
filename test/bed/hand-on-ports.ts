import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { WRONG_PASSWORD } from "../../apps/core/edge/concierge.ts";
import { command, talkTo, type LeaseHaproxy, type Talk } from "./lease-plane.ts";
import { until } from "./until.ts";

/** What came of handing ports on from instance to instance. */
export type HandedOn = {
  /** Ports that went from one instance to the next. */
  count: number;
  /** Log-ins that came to an instance and were another one's. */
  crossed: number;
  /** Of those who asked for the last instance when it was gone already: how many were told so. */
  refused: number;
};

/** An instance that takes log-ins of its own, and counts the others'. */
interface Tenant {
  id: string;
  port: number;
  end: () => void;
}

const PORTS = 25;
const ID = /AUTH\r\n\$\d+\r\n(\w{16})/;

/**
 * Ends instances and begins the next ones on their ports at once, so many times, while clients of the last ones come:
 * some just before the routes are taken away, some just afterwards.
 */
export async function handPortsOn({ plane, plainPort }: LeaseHaproxy, times: number): Promise<HandedOn> {
  const result: HandedOn = { count: 0, crossed: 0, refused: 0 };
  const begin = async (id: string, port: number): Promise<Tenant> => {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("data", (sent: Buffer) => {
        const [, asked] = ID.exec(sent.toString("latin1")) ?? [];
        if (asked === id) socket.write("+OK\r\n");
        else {
          result.crossed++;
          socket.write(WRONG_PASSWORD);
        }
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    const end = () => {
      server.close();
      for (const socket of sockets) socket.resetAndDestroy();
    };
    return { id, port: (server.address() as AddressInfo).port, end };
  };
  /** From some address: one alone might have too many connections. */
  const ask = async (id: string, from: string): Promise<Talk> => {
    const talk = await talkTo(plainPort, undefined, undefined, from);
    talk.say(command("AUTH", `${id}-a-password`));
    return talk;
  };
  const idOf = (round: number, index: number) => String(round * PORTS + index).padStart(16, "0");
  const targetOf = ({ port }: Tenant) => `127.0.0.1 ${port}`;

  let tenants = await Promise.all(Array.from({ length: PORTS }, (_, index) => begin(idOf(0, index), 0)));
  try {
    await plane.changeRoutes(tenants.map((tenant) => ({ kind: "add", id: tenant.id, target: targetOf(tenant) })));
    for (let round = 1; result.count < times; round++) {
      const early = await Promise.all(tenants.map(({ id }) => ask(id, "127.0.0.2")));
      await plane.changeRoutes(tenants.map(({ id }) => ({ kind: "delete", id })));
      const late = tenants.map(({ id }) => ask(id, "127.0.0.3"));
      await plane.endSessions(tenants.map((tenant) => ({ id: tenant.id, target: targetOf(tenant) })));
      const last = tenants;
      for (const tenant of last) tenant.end();
      tenants = await Promise.all(last.map(({ port }, index) => begin(idOf(round, index), port)));
      await plane.changeRoutes(tenants.map((tenant) => ({ kind: "add", id: tenant.id, target: targetOf(tenant) })));
      for (const talk of await Promise.all(late)) {
        await until("an answer", () => talk.heard() !== "" || talk.isClosed());
        if (talk.heard() === WRONG_PASSWORD) result.refused++;
        talk.socket.destroy();
      }
      for (const talk of early) {
        await until("it is over", () => talk.isClosed() || talk.heard() === WRONG_PASSWORD);
        talk.socket.destroy();
      }
      result.count += PORTS;
    }
    return result;
  } finally {
    for (const tenant of tenants) tenant.end();
    await plane.changeRoutes(tenants.map(({ id }) => ({ kind: "delete", id })));
  }
}
