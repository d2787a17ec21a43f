import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../apps/lib/errors.ts";
import { isSameProcess, markProcess } from "./processes.ts";
import type { ServerProcess } from "./server-process.ts";

const LOOK_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** A server of ours that is brought back whenever it ends by itself. */
export interface KeptServer {
  url: string;
  /** Ends it for good and waits. */
  stop: () => Promise<void>;
  /** SIGKILL for good, without waiting. */
  kill: () => Promise<void>;
}

/**
 * Starts a server and brings it back at the same address when it is gone; `say` hears of each end.
 * @param start gets the address to come back to, undefined the first time
 * @throws what the first start throws; later ones are tried again, after 1 s up to 30 s
 */
export async function keepServer(
  name: string,
  start: (url?: string) => Promise<ServerProcess & { url: string }>,
  say: (text: string) => void,
): Promise<KeptServer> {
  let server = await start();
  const { url } = server;
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  const pause = (ms: number) => sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined);

  const watch = async () => {
    while (!isStopping()) {
      const mark = await markProcess(server.pid);
      while (!isStopping() && mark !== undefined && (await isSameProcess(mark))) await pause(LOOK_MS);
      if (!isStopping()) await bringBack();
    }
  };
  const bringBack = async () => {
    say(`${name} ended and is started again`);
    for (let pauseMs = 1_000; !isStopping(); pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        server = await start(url);
        return;
      } catch (error) {
        say(`${name} does not start: ${messageOf(error)}`);
        await pause(pauseMs);
      }
    }
  };
  const watching = watch();

  return {
    url,
    stop: async () => {
      stopping.abort();
      await watching;
      await server.stop();
    },
    kill: async () => {
      stopping.abort();
      await server.kill();
    },
  };
}
