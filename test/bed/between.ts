import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Exchange } from "../contracts/openapi.ts";

/** Stands between clients and a server, and keeps all that goes over the wire. */
export async function listenBetween(server: string) {
  const exchanges: Exchange[] = [];
  const between = createServer((request, response) => {
    void (async () => {
      const { method = "", url: path = "", headers } = request;
      const requestBody = await text(request);
      const answer = await fetch(new URL(path, server), {
        method,
        headers: { authorization: headers.authorization ?? "", "content-type": "application/json" },
        ...(requestBody === "" ? {} : { body: requestBody }),
      });
      const body = await answer.text();
      exchanges.push({ method, url: path, requestBody, status: answer.status, headers: answer.headers, body });
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" }).end(body);
    })();
  }).listen(0, "127.0.0.1");
  await once(between, "listening");
  return {
    origin: `http://127.0.0.1:${(between.address() as AddressInfo).port}`,
    exchanges,
    close: () => {
      between.close();
      between.closeAllConnections();
    },
  };
}
