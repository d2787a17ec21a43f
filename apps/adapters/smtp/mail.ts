import { createTransport } from "nodemailer";
import pTimeout from "p-timeout";
import type { Send } from "../../core/notifications/contract.ts";
import type { Payload } from "../../core/notifications/messages.ts";
import { messageOf } from "../../lib/errors.ts";
import { hostIn } from "../../lib/url-host.ts";

export type MailOptions = {
  /** `smtp://` or `smtps://`, with user and password where the server wants them. */
  readonly url: string;
  readonly from: string;
  readonly to: readonly string[];
  /** Time that connecting, each answer of the server, and silence may take; a mail, twice as long. */
  readonly timeoutMs: number;
};

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];
const LONGEST_SUBJECT = 150;

/** Sends messages as one mail. A password goes over TLS only, unless the server is on this machine. */
export function createMail({ url, from, to, timeoutMs }: MailOptions): Send {
  const { username } = new URL(url);
  const transport = createTransport({
    url,
    requireTLS: username !== "" && !LOOPBACK.includes(hostIn(url)),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });

  return async (messages) => {
    const payloads = messages.map(({ payload }) => JSON.parse(payload) as Payload);
    try {
      const sending = transport.sendMail({
        from,
        to: [...to],
        subject: subjectOf(payloads),
        text: textOf(payloads),
        // The same when a mail is sent again.
        messageId: `<${messages[0]?.messageId ?? ""}@getaredis>`,
        headers: { "auto-submitted": "auto-generated" },
      });
      // A server that answers drop by drop would hold the messages for ever.
      await pTimeout(sending, { milliseconds: 2 * timeoutMs });
      return undefined;
    } catch (fault) {
      return `the mail server did not take it (${messageOf(fault)})`;
    }
  };
}

function subjectOf(payloads: readonly Payload[]): string {
  const text = payloads[0]?.data.text ?? "";
  const subject = payloads.length === 1 ? text : `${payloads.length} events: ${text}`;
  return `[Get a Redis] ${subject}`.slice(0, LONGEST_SUBJECT);
}

function textOf(payloads: readonly Payload[]): string {
  const lines = payloads.map(({ type, timestamp, data: { text } }) => `${timestamp}  ${type}\n${text}\n`);
  return `${lines.join("\n")}\nMore is on the dashboard, at /ops.\n`;
}
