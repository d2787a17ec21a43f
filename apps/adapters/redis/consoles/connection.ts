import { once } from "node:events";
import { connect } from "node:net";
import {
  createReplyReader,
  encodeCommand,
  type ReplyBounds,
  type ReplyReader,
  type SizedReply,
} from "../../../core/console/redis-reply.ts";

/**
 * A command that got no reply: none in time, or the connection closed. The message contains nothing of what was
 * sent.
 */
export class NoReply extends Error {
  override readonly name = "NoReply";
  readonly reason: "too-slow" | "closed";

  constructor(reason: NoReply["reason"], cause?: unknown) {
    super(reason === "too-slow" ? "no reply came in time" : "the connection closed", { cause });
    this.reason = reason;
  }
}

/** A connection to a Redis, for one command at a time. */
export type RedisConnection = Awaited<ReturnType<typeof openConnection>>;

type Waiting = {
  readonly reader: ReplyReader;
  readonly resolve: (reply: SizedReply) => void;
  readonly reject: (fault: NoReply) => void;
};

/**
 * Connects, without a login. Client libraries make no difference between a status and a string, which redis-cli
 * shows differently, and keep replies whole however large they are. Hence this small client.
 * @throws NoReply when nothing accepts the connection in time
 */
export async function openConnection(host: string, port: number, timeoutMs: number) {
  const socket = connect({ host, port, noDelay: true });
  let waiting: Waiting | undefined;
  // The "close" that follows ends pending reads.
  socket.on("error", () => undefined);
  socket.on("close", () => settle((to) => to.reject(new NoReply("closed"))));
  socket.on("data", (chunk) => {
    // No command is pending: these bytes could not be told apart from the next reply.
    if (!waiting) return void socket.destroy();
    try {
      const read = waiting.reader.push(chunk);
      if (!read) return;
      // What would still come of this reply could not be told apart from the next one.
      if (read.readBytes < read.sizeBytes) socket.destroy();
      settle((to) => to.resolve(read));
    } catch (fault) {
      settle((to) => to.reject(new NoReply("closed", fault)));
      socket.destroy();
    }
  });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(timeoutMs) });
  } catch (fault) {
    socket.destroy();
    throw new NoReply(fault instanceof Error && fault.name === "AbortError" ? "too-slow" : "closed", fault);
  }

  /**
   * Sends a command and waits for its reply. When that is longer than what is read, the connection is closed.
   * @throws NoReply and closes the connection when none comes within `timeoutMs`
   */
  async function ask(words: readonly (string | Buffer)[], bounds: ReplyBounds, timeoutMs: number): Promise<SizedReply> {
    if (!isOpen()) throw new NoReply("closed");
    const { promise, resolve, reject } = Promise.withResolvers<SizedReply>();
    waiting = { reader: createReplyReader(bounds), resolve, reject };
    const tooLong = setTimeout(() => {
      settle((to) => to.reject(new NoReply("too-slow")));
      socket.destroy();
    }, timeoutMs);
    socket.write(encodeCommand(words));
    try {
      return await promise;
    } finally {
      clearTimeout(tooLong);
    }
  }

  function settle(tell: (to: Waiting) => void): void {
    const to = waiting;
    waiting = undefined;
    if (to) tell(to);
  }

  function isOpen(): boolean {
    return !socket.destroyed && socket.writable;
  }

  return { ask, isOpen, close: () => void socket.destroy() };
}
