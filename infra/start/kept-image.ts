import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { hasImage } from "../../apps/adapters/docker/images.ts";
import { ensureRedisImage } from "../servers/redis-image.ts";
import { messageOf } from "../../apps/lib/errors.ts";

const LOOK_MS = 30_000;
const ANSWER_MS = 10_000;

/**
 * Checks every `lookMs` whether an engine still has the Redis image, which may have been pruned, and gets it
 * again; `say` reports it. Without the image no instance can be handed out.
 */
export function keepImage(
  docker: Docker,
  reference: string,
  say: (text: string) => void,
  lookMs = LOOK_MS,
): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;
  const look = async () => {
    try {
      if (await hasImage(docker, reference, AbortSignal.timeout(ANSWER_MS))) return;
      await ensureRedisImage(docker, reference);
      say(`the image ${reference} was gone and is there again`);
    } catch (error) {
      // An engine that has ended is started again by what keeps it; the next check comes.
      say(`cannot check or get the image ${reference}: ${messageOf(error)}`);
    }
  };
  const watch = async () => {
    while (!isStopping()) {
      await sleep(lookMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (!isStopping()) await look();
    }
  };
  const watching = watch();
  return {
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}
