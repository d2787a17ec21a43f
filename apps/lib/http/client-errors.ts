import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { generalProblems } from "./problem.ts";

/**
 * Answers, on the bare connection, what never became a request: no HTTP, headers too large, or a request that
 * was not complete in time. Closes the connection.
 */
export function answerClientError(fault: Error & { readonly code?: string }, socket: Socket): void {
  // A connection that was reset cannot be answered.
  if (fault.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, detail] = meanings[fault.code ?? ""] ?? [400, "This is not HTTP."];
  const { type, title } = generalProblems.unreadable(status, detail);
  const body = `${JSON.stringify({ type, title, status, detail }, null, 2)}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "content-type: application/problem+json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  // A client that sends without end, or nothing, must not hold the connection open.
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

const meanings: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request was not complete in time. Send it again."],
  HPE_HEADER_OVERFLOW: [431, "The headers are too large."],
};
