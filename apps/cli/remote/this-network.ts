import { spawn } from "node:child_process";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { exchange, redisCommand } from "./exchange.ts";
import type { GatewayPlace, GatewaySight, RedisPlace, Remote } from "./remote.ts";

/** What this machine reaches. */
export const thisNetwork: Remote = { resolve, seeGateway, sayToRedis, pipe };

async function resolve(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true }).catch((fault: unknown) => {
    const { code } = fault as NodeJS.ErrnoException;
    if (code === "ENOTFOUND" || code === "ENODATA") return [];
    throw fault;
  });
  return [...new Set(found.map(({ address }) => address))];
}

async function seeGateway({ address, port, name, timeoutMs }: GatewayPlace): Promise<GatewaySight> {
  const signal = AbortSignal.timeout(timeoutMs);
  // Looked at also where it is not trusted, to say why.
  const socket = connectTls({ host: address, port, servername: name, rejectUnauthorized: false });
  try {
    await once(socket, "secureConnect", { signal });
    const distrust = socket.authorized ? undefined : String(socket.authorizationError);
    const expiresAt = new Date(socket.getPeerCertificate().valid_to);
    const [answer = ""] = await exchange(socket, redisCommand("PING"), 1, signal);
    return { kind: "there", distrust, expiresAt, answer };
  } catch (fault) {
    return { kind: "away", reason: reasonOf(fault, timeoutMs) };
  } finally {
    socket.destroy();
  }
}

async function sayToRedis(
  { url, user, password, timeoutMs }: RedisPlace,
  commands: readonly (readonly string[])[],
): Promise<readonly string[]> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const place = { host, port: Number(port === "" ? 6379 : port) };
  const signal = AbortSignal.timeout(timeoutMs);
  const isTls = protocol === "rediss:";
  const socket: Socket = isTls ? connectTls({ ...place, servername: host }) : connectPlain(place);
  try {
    await once(socket, isTls ? "secureConnect" : "connect", { signal });
    const all = [["AUTH", user, password], ...commands];
    const [login = "", ...answers] = await exchange(
      socket,
      all.map((words) => redisCommand(...words)).join(""),
      all.length,
      signal,
    );
    return login.startsWith("-") ? commands.map(() => login) : answers;
  } catch (fault) {
    throw new Error(reasonOf(fault, timeoutMs), { cause: fault });
  } finally {
    socket.destroy();
  }
}

function reasonOf(fault: unknown, timeoutMs: number): string {
  if (fault instanceof Error && fault.name === "AbortError") return `no answer within ${timeoutMs / 1000} s`;
  const { code, message } = fault as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return "nothing listens there";
  return message === "" ? (code ?? "no connection") : message;
}

async function pipe(from: readonly string[], to: readonly string[]): Promise<readonly [number, number]> {
  const [program = "", ...args] = from;
  const [next = "", ...nextArgs] = to;
  const reader = spawn(next, nextArgs, { stdio: ["pipe", "inherit", "inherit"] });
  const writer = spawn(program, args, { stdio: ["ignore", reader.stdin, "inherit"] });
  // The writer has it now: at its end there is no more to read.
  reader.stdin.destroy();
  const [left, right] = await Promise.all([endOf(writer, program), endOf(reader, next)]);
  return [left, right];
}

/** As a shell tells it: 127 where there is no such program. */
async function endOf(child: ReturnType<typeof spawn>, program: string): Promise<number> {
  try {
    const [code] = (await once(child, "exit")) as [number | null];
    return code ?? 1;
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== "ENOENT") throw fault;
    process.stderr.write(`${program} is not installed here.\n`);
    return 127;
  }
}
