import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { text } from "node:stream/consumers";

/** What a server answered, read to its end. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/**
 * Asks a machine by HTTPS for a site that it serves, over a connection of its own.
 * @param machine `address` of the machine, `host` the site's name, `ca` the authority that its certificate is checked by
 * @throws when the certificate is not that host's, or no answer comes within 45 s
 */
export async function askHttps(
  { address, host, ca }: { address: string; host: string; ca: string },
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const sent = request({
    method,
    path,
    headers: { host, connection: "close", ...headers },
    host: address,
    servername: host,
    ca,
    agent: false,
    timeout: 45_000,
  });
  sent.end();
  return new Promise<Answer>((resolve, reject) => {
    sent.on("error", reject);
    sent.on("timeout", () => sent.destroy(new Error("no answer")));
    sent.on(
      "response",
      (answer) =>
        void text(answer).then(
          (body) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }),
          reject,
        ),
    );
  });
}
