import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const IDLE = 5_000;
const STREAMS = 1_500;
const FLOOD = 32;

/** Attacks on an HTTP server of this machine from 20 addresses, each until its process is killed. */
export const httpAttacks = {
  "idle connections": holdIdle,
  "operator's streams": followFleet,
  "/readyz flood": askReadiness,
};

/** A program: http-attacks.ts <name of the attack> <port> <operator's token>. Says "ready" when it is at full strength. */
if (import.meta.main) {
  const [, , attack = "", port, token = ""] = process.argv;
  await httpAttacks[attack as keyof typeof httpAttacks](Number(port), token);
}

function open(port: number, index: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", localAddress: `127.0.1.${1 + (index % 20)}` });
  return socket.on("error", () => undefined).resume();
}

/** Connections that are answered once and kept. */
async function holdIdle(port: number): Promise<void> {
  for (let index = 0; index < IDLE; index++) {
    open(port, index).write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    if (index % 100 === 0) await sleep(5);
  }
  await sleep(1_000);
  console.log("ready");
  await sleep(60_000);
}

async function followFleet(port: number, opsToken: string): Promise<void> {
  for (let index = 0; index < STREAMS; index++) {
    open(port, index).write(
      `GET /ops/api/stream HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${opsToken}\r\n\r\n`,
    );
    if (index % 50 === 0) await sleep(10);
  }
  await sleep(1_000);
  console.log("ready");
  await sleep(60_000);
}

async function askReadiness(port: number): Promise<void> {
  const ask = "GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";
  for (let index = 0; index < FLOOD; index++) {
    const socket = open(port, index);
    socket.on("data", () => socket.write(ask)).write(ask);
  }
  await sleep(500);
  console.log("ready");
  await sleep(60_000);
}
