import type { FastifyReply } from "fastify";
import type { App } from "../app.ts";

const LONGEST_INDENTED = 64 * 1024;

/**
 * Sends JSON indented and with a newline at its end, for people who read it in a terminal; long answers are
 * left as they are.
 */
export function sendReadableJson(app: App): void {
  app.addHook("onSend", (_request, reply, payload, done) => done(null, indented(reply, payload)));
}

function indented(reply: FastifyReply, payload: unknown): unknown {
  const isJson = String(reply.getHeader("content-type")).startsWith("application/json");
  if (!isJson || typeof payload !== "string" || payload.endsWith("\n") || payload.length > LONGEST_INDENTED)
    return payload;
  const text = `${JSON.stringify(JSON.parse(payload), null, 2)}\n`;
  reply.header("content-length", Buffer.byteLength(text));
  return text;
}
