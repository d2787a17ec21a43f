import { waitForPong } from "../../apps/adapters/redis/probe.ts";

/** What `POST /instances` answers. */
export type Answer = {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly url: string;
  readonly token: string;
};

const PONG_MS = 10_000;

/** Asks for an instance. @throws when none is handed out */
export async function handOut(origin: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const answer = await fetch(`${origin}/instances`, { method: "POST", headers });
  const body = await answer.text();
  if (answer.status !== 201) throw new Error(`POST /instances answered ${answer.status}: ${body}`);
  return JSON.parse(body) as Answer;
}

/** Asks for an instance, and waits until it has answered the one who asked. */
export async function handOutToPong(origin: string): Promise<Answer> {
  const answer = await handOut(origin);
  await waitForPong(answer.host, answer.port, answer.password, AbortSignal.timeout(PONG_MS));
  return answer;
}

/** Ends an instance. */
export async function giveBack(origin: string, { id, token }: Pick<Answer, "id" | "token">): Promise<void> {
  const answer = await fetch(`${origin}/instances/${id}`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${token}` },
  });
  await answer.body?.cancel();
}
