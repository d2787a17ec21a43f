import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** People who want an instance, in the order in which they come. Times in milliseconds from the beginning. */
export type Demand = {
  readonly seed: number;
  readonly days: number;
  readonly count: number;
  readonly arrivesAt: Float64Array;
  /** The lifetime that each asks for. */
  readonly ttl: Float64Array;
  /** The share of its lifetime after which each is ended by its holder; 1 when it is not. */
  readonly endsAfter: Float64Array;
  /** The share of its lifetime after which each is extended by its holder; 1 when it is not. */
  readonly extendedAfter: Float64Array;
};

/** Lifetimes that people ask for, and how many of a hundred ask for each: most take what they get by the button. */
const LIFETIMES: readonly (readonly [percent: number, ttl: number])[] = [
  [55, 12 * HOUR],
  [15, HOUR],
  [15, 10 * MINUTE],
  [10, 24 * HOUR],
  [5, 4 * HOUR],
];

/** How many of a hundred end their instance before its time, at any moment of it, and how many extend it. */
export type Habits = { readonly endedEarly: number; readonly extended: number };

/** The rate by day and by night differs from its mean by this share. */
const SWING = 0.6;
/** Busiest hour of the day. */
const PEAK_AT = 15 * HOUR;
/** Bursts of a day: each brings this share of a day's people, most of them within some minutes. */
const BURSTS_A_DAY = 3;
const BURST_SHARE = 0.004;
const BURST_FADES_IN = 5 * MINUTE;

/**
 * Demand over some days: a daily rhythm, some bursts (a link is posted somewhere), lifetimes of all kinds. The same
 * seed gives the same people.
 */
export function createDemand(
  seed: number,
  days: number,
  peopleADay: number,
  { endedEarly, extended }: Habits = { endedEarly: 0, extended: 0 },
): Demand {
  const generator = xoroshiro128plus(seed);
  const draw = () => uniformFloat64(generator);
  const bursts = Array.from({ length: BURSTS_A_DAY * days }, () => draw() * days * DAY);
  const mean = (peopleADay * (1 - BURSTS_A_DAY * BURST_SHARE)) / DAY;
  const burstRate = (peopleADay * BURST_SHARE) / BURST_FADES_IN;
  const rateAt = (time: number) => {
    let rate = mean * (1 + SWING * Math.cos((2 * Math.PI * (time - PEAK_AT)) / DAY));
    for (const begin of bursts)
      if (time >= begin && time < begin + 12 * BURST_FADES_IN)
        rate += burstRate * Math.exp((begin - time) / BURST_FADES_IN);
    return rate;
  };
  const people = empty(Math.ceil(peopleADay * days * 1.1) + 1000);
  let count = 0;
  // Poisson arrivals at a rate that changes, by thinning: minute by minute, below the highest rate of that minute.
  for (let minute = 0; minute < days * DAY; minute += MINUTE) {
    const starting = bursts.filter((begin) => begin > minute && begin < minute + MINUTE).length;
    const highest = 1.02 * Math.max(rateAt(minute), rateAt(minute + MINUTE - 1)) + starting * burstRate;
    for (let time = minute - Math.log(1 - draw()) / highest; time < minute + MINUTE;) {
      if (draw() * highest < rateAt(time) && count < people.arrivesAt.length) {
        people.arrivesAt[count] = time;
        people.ttl[count] = drawLifetime(draw());
        people.endsAfter[count] = 100 * draw() < endedEarly ? draw() : 1;
        people.extendedAfter[count] = 100 * draw() < extended ? draw() : 1;
        count++;
      }
      time -= Math.log(1 - draw()) / highest;
    }
  }
  return { seed, days, count, ...people };
}

function empty(length: number) {
  const numbers = () => new Float64Array(length);
  return { arrivesAt: numbers(), ttl: numbers(), endsAfter: numbers(), extendedAfter: numbers() };
}

function drawLifetime(chance: number): number {
  let percent = chance * 100;
  for (const [share, ttl] of LIFETIMES) {
    if (percent < share) return ttl;
    percent -= share;
  }
  return 12 * HOUR;
}
