import type { Membership, RouteNews } from "./contract.ts";

/** What waiting for gateways needs. */
export type AwaitGatewaysPorts = {
  readonly gateways: Pick<Membership, "list">;
  readonly news: Pick<RouteNews, "nudge" | "onAcknowledged">;
  readonly delay: (ms: number) => Promise<void>;
};

/** Time after which what was told to gateways is told again. */
const TELL_AGAIN_MS = 250;

/**
 * Resolves when every gateway that lives carries an instance's route as it should be now: its target, or null for
 * none. Call it after the change is kept where gateways read it. One whose key ends meanwhile is waited for no more;
 * one that joins later reads the change before it is live.
 * @returns how many gateways carry it: 0 when none lives
 * @throws Unavailable when it is unknown which live; `signal.reason` when it aborts first
 */
export async function awaitGateways(
  { gateways, news, delay }: AwaitGatewaysPorts,
  id: string,
  target: string | null,
  signal: AbortSignal,
): Promise<number> {
  const carrying = new Set<string>();
  let onChange: () => void = () => undefined;
  const stopListening = news.onAcknowledged(id, (gateway, carried) => {
    if (carried === target) carrying.add(gateway);
    else carrying.delete(gateway);
    onChange();
  });
  const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  try {
    for (;;) {
      signal.throwIfAborted();
      const names = (await gateways.list()).map(({ name }) => name);
      const isDone = () => names.every((name) => carrying.has(name));
      const done = new Promise<void>((resolve) => {
        onChange = () => {
          if (isDone()) resolve();
        };
      });
      if (!isDone()) {
        await news.nudge([id]);
        onChange();
        await Promise.race([done, aborted, delay(TELL_AGAIN_MS)]);
      }
      if (isDone()) return names.length;
    }
  } finally {
    stopListening();
  }
}
