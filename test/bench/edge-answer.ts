import { once } from "node:events";
import type { BedGateway, EdgeBed, EdgeLease } from "../bed/edge.ts";
import { command, talkTo } from "../bed/lease-plane.ts";

/** Whoever gets no answer for as long gets none. */
const ANSWER_MS = 10_000;

/** Connects to an instance through a gateway, logs in, and is answered. */
export async function answer(
  { ca }: EdgeBed,
  { address }: BedGateway,
  port: number,
  { password }: EdgeLease,
): Promise<void> {
  const talk = await talkTo(port, { ca }, address);
  talk.say(command("AUTH", password));
  const [told] = (await once(talk.socket, "data", { signal: AbortSignal.timeout(ANSWER_MS) })) as [unknown];
  talk.socket.destroy();
  if (String(told) !== "+OK\r\n") throw new Error(`the log-in was answered with ${String(told)}`);
}
