import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to a call instead of being passed on: an answer, or (undefined) nothing, and it is passed on. */
export type Trouble = (call: {
  method: string;
  path: string;
}) =>
  | "pass"
  | "hang"
  | { status: number; message: string }
  | Promise<"pass" | "hang" | { status: number; message: string }>;

/** A real engine behind a proxy that can be made to misbehave. */
export interface EngineProxy {
  url: string;
  /** Sets what happens to calls from now on; without an argument all is well again. */
  trouble: (rule?: Trouble) => void;
  stop: () => Promise<void>;
}

/** Listens on loopback and passes calls on to the engine at `unix://…`. */
export async function startEngineProxy(engineUrl: string): Promise<EngineProxy> {
  const socketPath = new URL(engineUrl).pathname;
  let rule: Trouble = () => "pass";
  const server = createServer((call, answer) => void handle(call, answer));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  async function handle(call: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = "", url: path = "", headers } = call;
    const outcome = await rule({ method, path });
    if (outcome === "hang") return;
    if (outcome !== "pass") {
      answer
        .writeHead(outcome.status, { "content-type": "application/json" })
        .end(JSON.stringify({ message: outcome.message }));
      return;
    }
    const onward = httpRequest({ socketPath, method, path, headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    // An engine that is down looks to the caller like a connection that breaks.
    onward.on("error", () => call.socket.destroy());
    call.pipe(onward);
  }

  return {
    url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    trouble: (next = () => "pass") => {
      rule = next;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
