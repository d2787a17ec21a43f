import { setTimeout as sleep } from "node:timers/promises";
import type { LabClient } from "./clients.ts";
import { shortName } from "./drawing.ts";
import type { LabEdge, LabGateway } from "./edge.ts";

const SECOND = 1000;
const LOOK_MS = 20;
/** Of clients that look for another gateway, and of the address records. */
const PATIENCE_MS = 60 * SECOND;

/**
 * Cuts the power of the gateway that most clients are connected through, tells what they see, and waits until all are
 * back and the edge's names lead to the other gateways alone.
 * @returns what happened, in a sentence
 */
export async function cutOneGateway(
  edge: LabEdge & { readonly gateways: () => readonly LabGateway[] },
  clients: readonly LabClient[],
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const until = async (what: string, isSo: () => boolean | Promise<boolean>) => {
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await isSo())) {
      signal.throwIfAborted();
      if (performance.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS / SECOND} s`);
      await sleep(LOOK_MS);
    }
  };
  await until("each client is answered", () => clients.every(({ gateway }) => gateway() !== undefined));
  await until("the edge's names lead to all gateways", async () => {
    const addresses = await edge.resolve().catch((): string[] => []);
    return edge.gateways().every(({ address }) => addresses.includes(address));
  });
  const gateways = edge.gateways();
  const watched = [...clients];
  const on = ({ address }: LabGateway) => watched.filter(({ gateway }) => gateway() === address);
  const [victim] = [...gateways].sort((one, other) => on(other).length - on(one).length);
  if (!victim) throw new Error("there is no gateway");
  const cutOff = on(victim);
  const spared = watched.filter((client) => !cutOff.includes(client));
  const lostBefore = spared.reduce((sum, { outages }) => sum + outages().length, 0);
  const outagesBefore = new Map(cutOff.map((client) => [client, client.outages().length]));

  const name = shortName(victim.name);
  tell(`${name} loses its power: ${cutOff.length} of ${counted(watched.length)} are connected through it`);
  const cutAt = performance.now();
  await victim.cutPower();
  await until("the clients are back", () =>
    cutOff.every((client) => client.outages().length > (outagesBefore.get(client) ?? 0)),
  );
  const back = cutOff.map((client) => client.outages().at(-1) ?? 0).sort((one, other) => one - other);
  const lost = spared.reduce(
    (sum, { outages, brokenSince }) => sum + outages().length + Number(brokenSince() !== undefined),
    0,
  );
  const times =
    back.length === 0
      ? "nobody was connected through it"
      : `${counted(back.length)} of it came back through another one after ` +
        `${inSeconds(back[Math.floor(back.length / 2)] ?? 0)} (median), ${inSeconds(back.at(-1) ?? 0)} at most`;
  const others =
    lost === lostBefore
      ? `${counted(spared.length)} of others noticed nothing`
      : `clients of others lost ${lost - lostBefore} answers`;
  tell(`${times}; ${others}`);
  await until("the edge's names lead to the others alone", async () => {
    const addresses = await edge.resolve();
    return addresses.length > 0 && !addresses.includes(victim.address);
  });
  const gone = inSeconds(performance.now() - cutAt);
  tell(`*.${edge.domain} leads to the others alone, ${gone} after the cut`);
  await until("another gateway has taken its place", async () => {
    const addresses = await edge.resolve();
    return addresses.length >= gateways.length && edge.gateways().every((each) => each.name !== victim.name);
  });
  const replaced = inSeconds(performance.now() - cutAt);
  tell(`another gateway is in the place of ${name}, ${replaced} after the cut`);
  return (
    `${name} lost its power: ${times}; ${others}; its address was out of DNS after ${gone}, ` +
    `and another gateway in its place after ${replaced}`
  );
}

function counted(clients: number): string {
  return `${clients} ${clients === 1 ? "client" : "clients"}`;
}

function inSeconds(ms: number): string {
  return `${(ms / SECOND).toFixed(2)} s`;
}
