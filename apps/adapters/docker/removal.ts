import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { statusOf } from "./status.ts";

const POLL_MS = 50;

/**
 * Removes a container with its anonymous volumes, running or not, and resolves when it is gone. One that was gone already
 * is a success. Throws when the engine refuses, or when the signal aborts.
 */
export async function removeUntilGone(container: Docker.Container, abortSignal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await container.remove({ force: true, v: true, abortSignal });
      return;
    } catch (fault) {
      if (statusOf(fault) === 404) return;
      // Something else is removing it at this moment; it is gone only when the engine reports so.
      if (statusOf(fault) !== 409) throw fault;
      await delay(POLL_MS, undefined, { signal: abortSignal });
    }
  }
}
