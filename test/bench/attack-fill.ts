import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { startService } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";

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

type Visit = { readonly status: number; readonly ms: number; readonly bits: number };
type Answer = { readonly id?: string; readonly token?: string; readonly challenge?: string; readonly bits?: number };

/** What those who take all that they get cost newcomers. */
export const attackFill: Bench = {
  name: "attack-fill",
  measures: "how long newcomers wait for an instance beside ten addresses that take all they get",
  yardstick: "newcomers on a quiet service",
  goal: "",
  run,
};

/**
 * How newcomers fare, each with an address and network of its own, and an instance for a moment: on a quiet
 * service, and while seven addresses of seven networks and the /64s of one /48 take all that they get, and work
 * where they must.
 */
async function run(): Promise<Outcome> {
  const service = await startService({ capacity: CAPACITY, env: { TRUST_PROXY: "loopback", ...usual } });
  try {
    const { origin } = service;
    await visit(origin, "203.0.113.250");
    const quiet: Visit[] = [];
    for (let number = 0; number < PROBES; number++) quiet.push(await visit(origin, `203.0.${number}.1`));

    const stop = new AbortController();
    const attackers = [
      ...Array.from({ length: 7 }, (_, number) => takeAll(origin, () => `198.51.${number}.1`, stop.signal)),
      ...Array.from({ length: 3 }, (_, lane) => {
        let subnet = 0;
        return takeAll(origin, () => `2001:db8:1:${(3 * subnet++ + lane).toString(16)}::1`, stop.signal);
      }),
    ];
    const attacked: Visit[] = [];
    for (let number = 0; number < PROBES; number++) {
      await sleep(PAUSE_MS);
      attacked.push(await visit(origin, `192.0.${number}.1`));
    }
    stop.abort();
    const taken = (await Promise.all(attackers)).reduce((sum, count) => sum + count, 0);
    return {
      figures: timeFigures("POST of a newcomer", [served(attacked)], [served(quiet)]),
      notes: [
        `quiet: ${countsOf(quiet)}; beside the attackers: ${countsOf(attacked)}`,
        `the attackers hold ${taken} of ${CAPACITY} slots`,
      ],
    };
  } finally {
    await service.stop();
  }
}

/** One visitor: gets an instance, with the work that it takes, and ends it. */
async function visit(origin: string, address: string): Promise<Visit> {
  const begun = performance.now();
  const { status, answer, bits } = await ask(origin, address);
  const ms = performance.now() - begun;
  if (status === 201 && answer.id !== undefined)
    await fetch(`${origin}/instances/${answer.id}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${answer.token ?? ""}` },
    });
  return { status, ms, bits };
}

/** An attacker: takes again and again, and keeps. */
async function takeAll(origin: string, nextAddress: () => string, stop: AbortSignal): Promise<number> {
  let taken = 0;
  while (!stop.aborted) {
    const { status } = await ask(origin, nextAddress());
    if (status === 201) taken++;
    await sleep(50);
  }
  return taken;
}

async function ask(origin: string, address: string): Promise<{ status: number; answer: Answer; bits: number }> {
  const first = await post(origin, address);
  const { challenge, bits } = first.answer;
  if (challenge === undefined || bits === undefined) return { ...first, bits: 0 };
  return { ...(await post(origin, address, await solve(challenge, bits))), bits };
}

async function post(origin: string, address: string, proof?: string): Promise<{ status: number; answer: Answer }> {
  const answer = await fetch(`${origin}/instances`, {
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

function served(visits: readonly Visit[]): number[] {
  return visits.filter(({ status }) => status === 201).map(({ ms }) => ms);
}

function countsOf(visits: readonly Visit[]): string {
  const most = Math.max(...visits.map(({ bits }) => bits));
  return `${served(visits).length} of ${visits.length} served, with ${most} bits of work at most`;
}
