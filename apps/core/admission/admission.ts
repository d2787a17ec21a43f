/** What is known when somebody asks for an instance. */
export type AdmissionFacts = {
  /** How much of the room is used, from 0 to 1, see `loadOf`. */
  readonly load: number;
  /** Hand-outs begun in all within the last minute. */
  readonly lastMinute: number;
  /** Those of the address and of its network within about a day. */
  readonly byAddress: number;
  readonly byNetwork: number;
};

/** Settings of the admission. */
export type AdmissionRules = {
  /** Most hand-outs in a minute, in all. */
  readonly handoutsPerMinute: number;
  /** Share of slots, and of the hand-outs of a minute, that is kept for newcomers; from 0 to 1. */
  readonly newcomerShare: number;
  /** Load from which work is asked for, from 0 to 1. */
  readonly workFromLoad: number;
  /** Most bits that are asked for; 0: no work, ever. */
  readonly mostBits: number;
};

/** What is asked of a caller before it gets an instance. */
export type AdmissionDecision =
  /** `bits` of work are asked for first; with 0, none. */
  | { readonly kind: "open"; readonly bits: number; readonly newcomersOnly: boolean }
  /** All hand-outs of this minute are used up, or what is left of them is kept for newcomers. */
  | { readonly kind: "rate-exceeded" };

/** Share of the rate at which work begins: it is to slow a burst before the rate stops everybody. */
const WORK_FROM_RATE = 0.5;
/** Work of a newcomer, in shares of the most bits: where it begins, and under full pressure. */
const FIRST_WORK = 0.5;
const FULL_WORK = 0.9;
/** Starts of a network that count like one of the address. */
const NETWORK_STARTS = 8;

/** What is asked of a caller, by how full and how busy the service is and what the caller has had. */
export function decideAdmission(facts: AdmissionFacts, rules: AdmissionRules): AdmissionDecision {
  const isNewcomer = facts.byAddress === 0;
  const perMinute = rules.handoutsPerMinute * (isNewcomer ? 1 : 1 - rules.newcomerShare);
  if (facts.lastMinute >= Math.max(1, perMinute)) return { kind: "rate-exceeded" };
  return {
    kind: "open",
    bits: difficulty(facts, rules),
    newcomersOnly: rules.newcomerShare > 0 && facts.load >= 1 - rules.newcomerShare,
  };
}

/**
 * Leading zero bits that a caller's proof of work must have: 0 while there is room and no burst. Under pressure
 * each further bit doubles the work; it rises with the pressure and with what caller and network have had.
 */
export function difficulty(facts: AdmissionFacts, rules: AdmissionRules): number {
  const pressure = Math.max(
    pastShare(facts.load, rules.workFromLoad),
    pastShare(facts.lastMinute / rules.handoutsPerMinute, WORK_FROM_RATE),
  );
  if (pressure <= 0 || rules.mostBits === 0) return 0;
  const share = FIRST_WORK + (FULL_WORK - FIRST_WORK) * Math.min(1, pressure);
  const hadBits = Math.floor(Math.log2(1 + facts.byAddress + facts.byNetwork / NETWORK_STARTS));
  return Math.min(rules.mostBits, Math.ceil(share * rules.mostBits) + hadBits);
}

/** How far a value is on its way from a share to 1; 0 or less before it. */
function pastShare(value: number, from: number): number {
  return from >= 1 ? 0 : (value - from) / (1 - from);
}
