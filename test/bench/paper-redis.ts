import { createServer } from "node:net";

/**
 * A program: paper-redis.ts <first port> <count>. Listens on so many ports of all addresses, and answers as an instance
 * does that takes everybody's password. It stands in for instances where their engines are not to be measured. Says
 * "ready" when it listens, and ends with its standard input.
 */
const [, , first, count] = process.argv.map(Number);
const COMMAND = /\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n/g;

let listening = 0;
for (let port = first ?? 0; port < (first ?? 0) + (count ?? 0); port++)
  createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => undefined);
    let isIn = false;
    socket.on("data", (chunk: Buffer) => {
      let replies = "";
      for (const [, name = ""] of chunk.toString().matchAll(COMMAND)) {
        isIn ||= /^auth$/i.test(name);
        replies += !isIn ? "-NOAUTH Authentication required.\r\n" : /^ping$/i.test(name) ? "+PONG\r\n" : "+OK\r\n";
      }
      socket.write(replies);
    });
  }).listen(port, () => {
    listening++;
    if (listening === count) console.log("ready");
  });
process.stdin.resume().on("end", () => process.exit());
