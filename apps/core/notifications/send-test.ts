import type { JobName } from "../events/names.ts";
import type { KeptMessage, Notifications } from "./contract.ts";
import { testPayload, type Channel } from "./messages.ts";

/** What sending a test needs. */
export type SendTestPorts = {
  readonly store: { readonly notifications: Pick<Notifications, "add" | "find"> };
  /** Requests a run of a job now; resolves with the number of processes that received the request. */
  readonly requestRun: (job: JobName) => Promise<number>;
  readonly newMessageId: () => string;
  readonly clock: () => Date;
  readonly delay: (ms: number) => Promise<void>;
};

/** How a test came out; `unknown` when its time was over before it was sent. */
export type TestResult =
  { readonly kind: "sent" | "nobody-listens" | "unknown" } | { readonly kind: "failed"; readonly fault: string };

const LOOK_MS = 100;
const MOST_MS = 20_000;

/**
 * Sends a test by the way that alarms take: the process that runs the jobs sends it. Resolves as soon as it is known
 * how it came out. It is tried once.
 */
export async function sendTest(ports: SendTestPorts, channel: Channel): Promise<TestResult> {
  const { store, clock } = ports;
  const messageId = ports.newMessageId();
  const payload = testPayload(clock());
  await store.notifications.add({ messageId, channel, type: payload.type, payload: JSON.stringify(payload) }, clock());
  if ((await ports.requestRun("notify")) === 0) return { kind: "nobody-listens" };
  for (let waitedMs = 0; waitedMs < MOST_MS; waitedMs += LOOK_MS) {
    const result = resultOf(await store.notifications.find(messageId, channel));
    if (result) return result;
    await ports.delay(LOOK_MS);
  }
  return { kind: "unknown" };
}

function resultOf(message: KeptMessage | undefined): TestResult | undefined {
  if (message?.state === "sent") return { kind: "sent" };
  if (message?.state === "given-up") return { kind: "failed", fault: message.fault ?? "" };
  return undefined;
}
