import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { LabEdge } from "./edge.ts";

/** A client of an instance behind the edge that asks it again and again, and notes what it sees. */
export interface LabClient {
  /** Address of the gateway that it was last answered through; undefined before the first answer. */
  gateway: () => string | undefined;
  /** Since when it has had no answer; undefined while it has. Milliseconds, as `now` gives them. */
  brokenSince: () => number | undefined;
  /** Times without an answer that are over, in milliseconds. */
  outages: () => readonly number[];
  stop: () => Promise<void>;
}

const ASK_MS = 50;
const RETRY_MS = 50;
const ANSWER_MS = 2_000;

/** Starts a client as people have it: it verifies the certificate, and looks the name up each time it connects. */
export function startClient(url: string, edge: Pick<LabEdge, "ca" | "lookup">, now: () => number): LabClient {
  const { hostname, port, username, password } = new URL(url);
  const redis = new Redis({
    host: hostname,
    port: Number(port),
    username,
    password,
    // The library hands all of these to the socket.
    tls: { ca: edge.ca, servername: hostname, lookup: edge.lookup },
    commandTimeout: ANSWER_MS,
    // A machine without power says nothing, not even that the connection is at its end.
    socketTimeout: ANSWER_MS,
    connectTimeout: ANSWER_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => RETRY_MS,
  });
  redis.on("error", () => undefined);
  const stopping = new AbortController();
  const outages: number[] = [];
  let gateway: string | undefined;
  let brokenSince: number | undefined;

  const asking = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await redis.ping();
        gateway = (redis.stream as { remoteAddress?: string }).remoteAddress;
        if (brokenSince !== undefined) outages.push(now() - brokenSince);
        brokenSince = undefined;
      } catch {
        // Before the first answer it is connecting, and has lost nothing.
        if (gateway !== undefined) brokenSince ??= now();
      }
      await sleep(ASK_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();

  return {
    gateway: () => gateway,
    brokenSince: () => brokenSince,
    outages: () => outages,
    stop: async () => {
      stopping.abort();
      await asking;
      redis.disconnect();
    },
  };
}
