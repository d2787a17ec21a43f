import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { startService } from "../bed/service.ts";
import { quantile } from "./quantile.ts";

const CAPACITY = 20;
const PROBES = 5;
/** The honest visitors of the attack come this far apart. */
const PAUSE_MS = 1_500;

/** What the bed relaxes for other measurements, as it is by default. */
const usual = {
  QUOTA_PER_NETWORK: "",
  STARTS_PER_ADDRESS_PER_DAY: "",
  STARTS_PER_NETWORK_PER_DAY: "",
  HANDOUTS_PER_MINUTE: "",
  NEWCOMER_PERCENT: "",
  PROOF_OF_WORK_MAX_BITS: "",
};

type Outcome = { readonly status: number; readonly ms: number; readonly bits: number };
type Answer = { readonly id?: string; readonly token?: string; readonly challenge?: string; readonly bits?: number };

/**
 * How newcomers fare, each with an address and network of its own, and an instance for a moment: on a quiet
 * service, and while seven addresses of seven networks and the /64s of one /48 take all that they get, and work
 * where they must.
 */
const service = await startService({ capacity: CAPACITY, env: { TRUST_PROXY: "loopback", ...usual } });
try {
  await visit("203.0.113.250");
  const quiet: Outcome[] = [];
  for (let number = 0; number < PROBES; number++) quiet.push(await visit(`203.0.${number}.1`));

  const stop = new AbortController();
  const attackers = [
    ...Array.from({ length: 7 }, (_, number) => takeAll(() => `198.51.${number}.1`, stop.signal)),
    ...Array.from({ length: 3 }, (_, lane) => {
      let subnet = 0;
      return takeAll(() => `2001:db8:1:${(3 * subnet++ + lane).toString(16)}::1`, stop.signal);
    }),
  ];
  const attacked: Outcome[] = [];
  for (let number = 0; number < PROBES; number++) {
    await sleep(PAUSE_MS);
    attacked.push(await visit(`192.0.${number}.1`));
  }
  stop.abort();
  const taken = (await Promise.all(attackers)).reduce((sum, count) => sum + count, 0);

  console.log(`Newcomers beside ten who take all they get, ${CAPACITY} slots, ${PROBES} visits each:`);
  console.log("                 served      p50      p99   work");
  console.log(`quiet           ${row(quiet)}`);
  console.log(`under attack    ${row(attacked)}`);
  const [before, after] = [quiet, attacked].map((all) => quantile(served(all), 0.5)) as [number, number];
  console.log(`ratio of p50    ${(after / before).toFixed(2)}   the attackers hold ${taken} of ${CAPACITY} slots`);
} finally {
  await service.stop();
}

/** One visitor: gets an instance, with the work that it takes, and ends it. */
async function visit(address: string): Promise<Outcome> {
  const begun = performance.now();
  const { status, answer, bits } = await ask(address);
  const ms = performance.now() - begun;
  if (status === 201 && answer.id !== undefined)
    await fetch(`${service.origin}/instances/${answer.id}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${answer.token ?? ""}` },
    });
  return { status, ms, bits };
}

/** An attacker: takes again and again, and keeps. */
async function takeAll(nextAddress: () => string, stop: AbortSignal): Promise<number> {
  let taken = 0;
  while (!stop.aborted) {
    const { status } = await ask(nextAddress());
    if (status === 201) taken++;
    await sleep(50);
  }
  return taken;
}

async function ask(address: string): Promise<{ status: number; answer: Answer; bits: number }> {
  const first = await post(address);
  const { challenge, bits } = first.answer;
  if (challenge === undefined || bits === undefined) return { ...first, bits: 0 };
  return { ...(await post(address, await solve(challenge, bits))), bits };
}

async function post(address: string, proof?: string): Promise<{ status: number; answer: Answer }> {
  const answer = await fetch(`${service.origin}/instances`, {
    method: "POST",
    headers: { "x-forwarded-for": address, ...(proof !== undefined && { "proof-of-work": proof }) },
  });
  return { status: answer.status, answer: (await answer.json()) as Answer };
}

/** All clients share this process: each lets the others have their turn. */
async function solve(challenge: string, bits: number): Promise<string> {
  for (let number = 0; ; number++) {
    const proof = `${challenge}:${number}`;
    if (createHash("sha256").update(proof).digest().readUInt32BE() < 2 ** (32 - bits)) return proof;
    if (number % 5_000 === 0) await sleep(0);
  }
}

function served(outcomes: readonly Outcome[]): number[] {
  return outcomes.filter(({ status }) => status === 201).map(({ ms }) => ms);
}

function row(outcomes: readonly Outcome[]): string {
  const times = served(outcomes);
  const cell = (share: number) => `${quantile(times, share).toFixed(0)} ms`.padStart(9);
  const most = Math.max(...outcomes.map(({ bits }) => bits));
  return `${`${times.length} of ${outcomes.length}`.padStart(7)}${cell(0.5)}${cell(0.99)}   ${most} bits at most`;
}
