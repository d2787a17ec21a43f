import { Unavailable } from "../../lib/unavailable.ts";
import { decideAdmission, difficulty, type AdmissionRules } from "./admission.ts";
import type { LateStarts, Pressure } from "./contract.ts";
import { loadOf, type Growth, type Room } from "./load.ts";
import { makeChallenge, type Challenge, type Proof } from "./proof.ts";

/** What admission needs. */
export type AdmitPorts = {
  readonly pressure: Pressure;
  readonly fleet: { readonly room: () => Room };
  readonly clock: () => Date;
  readonly random: { readonly nonce: () => Buffer };
  readonly rules: {
    readonly serverSecret: string;
    readonly admission: AdmissionRules & {
      /** How long a challenge is good for. */
      readonly challengeMs: number;
      /** Undefined when the hosts are given. */
      readonly growth: Growth | undefined;
    };
  };
};

/** Who asks: keys of the address and its network, and the proof that came with the request; false: it is none. */
export type Applicant = {
  readonly address: string;
  readonly network: string;
  readonly proof: Proof | false | undefined;
};

/** Why nobody, or this caller, is admitted now. `fault`: what is wrong with the proof that came. */
export type AdmissionRefusal =
  | {
      readonly kind: "work-needed";
      readonly challenge: Challenge;
      readonly expiresAt: Date;
      readonly fault: "wrong" | "expired" | "too-easy" | "used" | undefined;
    }
  | { readonly kind: "rate-exceeded"; readonly handoutsPerMinute: number };

/** A caller that is let in, counted as a start. */
export type Admitted = {
  readonly kind: "admitted";
  readonly newcomersOnly: boolean;
  /** Uncounts a start that came to nothing; `proof`: its work is to be good for another try. */
  readonly takeBack: (what: { readonly proof: boolean }) => Promise<void>;
};

/** Difficulty may have risen while a caller worked: this much less is still enough. */
const TOLERATED_BITS = 2;
const nothingLately: LateStarts = { starts: [], lastMinute: 0 };

/**
 * Decides whether a caller may ask for a slot now, and asks for work while room is scarce. Without its counts the
 * load alone decides; a proof is not believed then.
 * @throws Unavailable when a proof is needed and nobody can tell whether it has been used
 */
export async function admit(ports: AdmitPorts, applicant: Applicant): Promise<Admitted | AdmissionRefusal> {
  const { pressure, clock, rules } = ports;
  const { admission } = rules;
  const { address, network, proof } = applicant;
  const budgets = [address, network];
  const { starts, lastMinute } = await orElse(pressure.read(budgets, clock()), nothingLately);
  const load = loadOf(ports.fleet.room(), admission.growth);
  const facts = { load, lastMinute, byAddress: starts[0] ?? 0, byNetwork: starts[1] ?? 0 };
  const decision = decideAdmission(facts, admission);
  const tooMany = { kind: "rate-exceeded", handoutsPerMinute: admission.handoutsPerMinute } as const;
  if (decision.kind === "rate-exceeded") return tooMany;
  if (decision.bits > 0) {
    const fault = await useProof(pressure, proof, decision.bits, clock());
    if (fault !== "none") return askForWork(ports, address, decision.bits, fault);
  }

  const counted = await orElse(pressure.count(budgets, 1, clock()), 0);
  const takeBack: Admitted["takeBack"] = async (what) => {
    await orElse(pressure.count(budgets, -1, clock()), 0);
    if (what.proof && decision.bits > 0 && proof) await orElse(pressure.returnProof(proof.id), undefined);
  };
  // Others may have been admitted since the counts were read.
  if (counted > admission.handoutsPerMinute) {
    await takeBack({ proof: true });
    return tooMany;
  }
  return { kind: "admitted", newcomersOnly: decision.newcomersOnly, takeBack };
}

/** Load and difficulty for a newcomer at this moment, for those who watch. */
export async function readAdmission(
  ports: Pick<AdmitPorts, "pressure" | "fleet" | "clock" | "rules">,
): Promise<{ readonly load: number; readonly bits: number }> {
  const { admission } = ports.rules;
  const { lastMinute } = await orElse(ports.pressure.read([], ports.clock()), nothingLately);
  const load = loadOf(ports.fleet.room(), admission.growth);
  return { load, bits: difficulty({ load, lastMinute, byAddress: 0, byNetwork: 0 }, admission) };
}

/** What is wrong with a proof; "none" when it is enough, and used up by this. */
async function useProof(
  pressure: Pressure,
  proof: Applicant["proof"],
  bits: number,
  now: Date,
): Promise<"none" | Extract<AdmissionRefusal, { kind: "work-needed" }>["fault"]> {
  if (proof === undefined) return undefined;
  if (proof === false) return "wrong";
  if (proof.expiresAt <= now) return "expired";
  if (proof.bits < bits - TOLERATED_BITS) return "too-easy";
  return (await pressure.useProof(proof.id, proof.expiresAt, now)) ? "none" : "used";
}

function askForWork(
  { clock, random, rules }: AdmitPorts,
  address: string,
  bits: number,
  fault: Extract<AdmissionRefusal, { kind: "work-needed" }>["fault"],
): AdmissionRefusal {
  const { serverSecret, admission } = rules;
  const expiresAt = new Date(clock().getTime() + admission.challengeMs);
  const challenge = makeChallenge(bits, expiresAt, random.nonce(), { serverSecret, address });
  return { kind: "work-needed", challenge, expiresAt, fault };
}

/** The answer, or `otherwise` while the system that counts does not answer. */
async function orElse<T>(answer: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await answer;
  } catch (fault) {
    if (fault instanceof Unavailable) return otherwise;
    throw fault;
  }
}
