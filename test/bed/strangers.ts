import { connect, type Socket } from "node:net";

/**
 * A program: strangers at several addresses who would keep an instance's owner out, without the password. To
 * "hold", each takes as many connections as it gets, has them live by `PING`, and takes a new one as soon as one is
 * closed. To "shout", each sends commands in two connections, as fast as they are taken.
 * usage: strangers.ts hold|shout <host> <port> <their addresses…>
 *
 * Says "here" at its begin, ends when its standard input does, and then tells how many connections were made.
 */
const HELD = 60;
const SHOUTING = 2;
const RETRY_MS = 5;
const PING_MS = 500;
const SHOUT = Buffer.from("PING\r\n".repeat(10_000));

const [way, host = "", port = "", ...addresses] = process.argv.slice(2);
const open = new Set<Socket>();
let made = 0;

for (const localAddress of addresses)
  for (let place = 0; place < (way === "hold" ? HELD : SHOUTING); place++) take(localAddress);
console.log("here");
setInterval(() => {
  for (const socket of open) if (!socket.connecting) socket.write("PING\r\n");
}, PING_MS);
process.stdin.resume().on("end", () => {
  process.stdout.write(`${made}\n`, () => process.exit());
});

function take(localAddress: string): void {
  const socket = connect({ host, port: Number(port), localAddress });
  open.add(socket);
  socket.on("error", () => undefined).resume();
  socket.on("connect", () => {
    made++;
    if (way === "shout") shout(socket);
  });
  socket.on("close", () => {
    open.delete(socket);
    setTimeout(() => take(localAddress), RETRY_MS);
  });
}

function shout(socket: Socket): void {
  socket.on("drain", () => shoutOn(socket));
  shoutOn(socket);
}

function shoutOn(socket: Socket): void {
  while (!socket.destroyed && socket.write(SHOUT));
}
