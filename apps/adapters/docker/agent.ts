import { Agent as HttpAgent, type ClientRequest } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { inspect } from "node:util";
import type { ClientTls } from "../../lib/tls.ts";

/** Most bytes of an answer: a list of a thousand containers takes a tenth of it. */
const ANSWER_BYTES = 16 * 1024 * 1024;

/** Connections wait this long for the next call. Shorter than any host's reboot, whose old connections lead nowhere. */
const IDLE_CONNECTION_MS = 30_000;

/** What every request goes through to get its connection; Node's types leave it out. */
type Adding = { addRequest: (request: ClientRequest, options: object) => void };

/**
 * Connections to one engine, over TLS when there is a certificate of ours. A host may be in foreign hands by
 * now: its answers cannot redirect to another address, and an endless one ends with an error.
 * @param hostName the name that the engine's certificate must have
 */
export function engineAgent(hostName: string, tls: ClientTls | undefined): HttpAgent {
  const idle = { keepAlive: true, timeout: IDLE_CONNECTION_MS };
  // Hosts are called by address, but their certificates have their names.
  const agent =
    tls === undefined
      ? new HttpAgent(idle)
      : new HttpsAgent({ ...tls, ...idle, servername: hostName, minVersion: "TLSv1.2" });
  const adding = agent as unknown as Adding;
  const add = adding.addRequest.bind(agent);
  adding.addRequest = (request, options) => {
    boundAnswer(request);
    add(request, options);
  };
  // docker-modem writes out each request in full for its debug log, also when nobody reads that: with all sockets of
  // the agent, this took a third of the processor time of a hand-out.
  Object.defineProperty(agent, inspect.custom, { value: () => `[agent of ${hostName}]` });
  return agent;
}

function boundAnswer(request: ClientRequest): void {
  request.prependOnceListener("response", (answer) => {
    // docker-modem would follow it to wherever it leads, and end the process when it leads nowhere.
    delete answer.headers.location;
    const { socket } = answer;
    const before = socket.bytesRead;
    const check = () => {
      if (socket.bytesRead - before > ANSWER_BYTES)
        socket.destroy(new Error(`an answer of more than ${ANSWER_BYTES} bytes`));
    };
    socket.on("data", check);
    answer.once("close", () => socket.off("data", check));
  });
}
