import { once } from "node:events";
import type { Socket } from "node:net";

/**
 * Says something on a connection, and resolves to the first lines that it is answered with; then the connection ends.
 * @throws when it ends before, or nothing comes in time
 */
export async function exchange(socket: Socket, text: string, lines: number, signal: AbortSignal): Promise<string[]> {
  let heard = "";
  socket.setEncoding("utf8");
  const complete = () => heard.split("\r\n").length > lines;
  const closed = once(socket, "close", { signal }).then(() => {
    throw new Error("the connection was closed before the answer");
  });
  const answered = new Promise<void>((resolve) => {
    socket.on("data", (part: string) => {
      heard += part;
      if (complete()) resolve();
    });
  });
  try {
    socket.write(text);
    await Promise.race([answered, closed]);
    return heard.split("\r\n").slice(0, lines);
  } finally {
    closed.catch(() => undefined);
    socket.destroy();
  }
}

/** A command as Redis takes it. */
export function redisCommand(...words: readonly string[]): string {
  return [`*${words.length}`, ...words.flatMap((word) => [`$${Buffer.byteLength(word)}`, word]), ""].join("\r\n");
}
