import { createHmac } from "node:crypto";
import type { Send, SendFault } from "../../core/notifications/contract.ts";
import { messageOf } from "../../lib/errors.ts";

export type WebhookOptions = {
  readonly url: string;
  /** Key of the signatures. */
  readonly key: Buffer;
  /** Time that an attempt may take, the answer's head included. */
  readonly timeoutMs: number;
  readonly clock: () => Date;
};

/**
 * Sends a message as a signed POST, in the form of the Standard Webhooks specification. Any answer of the 200s is
 * success. No redirect is followed: it would send the message to a place that the operator has not chosen. What the
 * answer says besides is not read.
 */
export function createWebhook({ url, key, timeoutMs, clock }: WebhookOptions): Send {
  return async (messages) => {
    for (const message of messages) {
      const fault = await post(message);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };

  async function post({
    messageId,
    payload,
  }: {
    readonly messageId: string;
    readonly payload: string;
  }): Promise<SendFault> {
    const timestamp = Math.floor(clock().getTime() / 1000);
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "user-agent": "getaredis",
          "webhook-id": messageId,
          "webhook-timestamp": String(timestamp),
          "webhook-signature": webhookSignature(key, messageId, timestamp, payload),
        },
        body: payload,
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      // The connection is given up with the rest of the answer, however long that is.
      await answer.body?.cancel().catch(() => undefined);
      if (answer.ok) return undefined;
      if (answer.status >= 300 && answer.status < 400)
        return `the receiver answered ${answer.status}, a redirect, which is not followed: set WEBHOOK_URL to where it leads`;
      return `the receiver answered ${answer.status}`;
    } catch (fault) {
      return inWords(fault, timeoutMs);
    }
  }
}

/** Signature of a message, as the header `webhook-signature` has it. `timestamp` is in seconds since 1970. */
export function webhookSignature(key: Buffer, messageId: string, timestamp: number, payload: string): string {
  const signed = `${messageId}.${timestamp}.${payload}`;
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}

function inWords(fault: unknown, timeoutMs: number): string {
  if (fault instanceof Error && fault.name === "TimeoutError")
    return `the receiver did not answer within ${timeoutMs / 1000} s`;
  // fetch says "fetch failed", and why in its cause.
  const cause = fault instanceof Error && fault.cause !== undefined ? fault.cause : fault;
  return `the receiver cannot be reached (${messageOf(cause)})`;
}
