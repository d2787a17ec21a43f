import { Agent as HttpAgent, type ClientRequest } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { ClientTls } from "../../lib/tls.ts";

/** An answer that is longer is no engine's: a thousand containers are listed in a tenth of it. */
const ANSWER_BYTES = 16 * 1024 * 1024;

/** Connections wait this long for the next call. Shorter than any host's reboot, whose old connections lead nowhere. */
const IDLE_CONNECTION_MS = 30_000;

/** What every request goes through to get its connection; Node's types leave it out. */
type Adding = { addRequest: (request: ClientRequest, options: object) => void };

/**
 * Connections to one engine, over TLS when there is a certificate of ours. A host may be anybody's by
 * now: what it answers leads to no other address, and ends with an error when it does not end by itself.
 * @param hostName the name that the engine's certificate must have
 */
export function engineAgent(hostName: string, tls: ClientTls | undefined): HttpAgent {
  const idle = { keepAlive: true, timeout: IDLE_CONNECTION_MS };
  // Hosts are called by address and known by name: that is what their certificates say.
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
