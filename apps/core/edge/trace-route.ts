import type { AwaitGatewaysPorts } from "./await-gateways.ts";

/** What a gateway carries for an instance: its target, null for none; undefined when it has not said so in time. */
export type TracedGateway = { readonly name: string; readonly target: string | null | undefined };

/** Time after which gateways that have not answered are asked again. */
const ASK_AGAIN_MS = 250;

/**
 * Asks every gateway that lives what it carries for an instance now, and waits until all have said so or the signal
 * aborts.
 * @throws Unavailable when it is unknown which live
 */
export async function traceRoute(
  { gateways, news, delay }: AwaitGatewaysPorts,
  id: string,
  signal: AbortSignal,
): Promise<TracedGateway[]> {
  const targets = new Map<string, string | null>();
  let onHeard: () => void = () => undefined;
  const stopListening = news.onAcknowledged(id, (gateway, target) => {
    targets.set(gateway, target);
    onHeard();
  });
  const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  try {
    for (;;) {
      const names = (await gateways.list()).map(({ name }) => name);
      const isDone = () => names.every((name) => targets.has(name));
      if (isDone() || signal.aborted) return names.map((name) => ({ name, target: targets.get(name) }));
      const heard = new Promise<void>((resolve) => {
        onHeard = () => {
          if (isDone()) resolve();
        };
      });
      await news.nudge([id]);
      onHeard();
      await Promise.race([heard, aborted, delay(ASK_AGAIN_MS)]);
    }
  } finally {
    stopListening();
  }
}
