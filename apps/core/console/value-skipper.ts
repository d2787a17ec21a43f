/** The shortest value there is is an empty status, "+\r\n". */
export const LEAST_VALUE_BYTES = 3;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const STATUS = 0x2b;
const ERROR = 0x2d;
const INTEGER = 0x3a;
const STRING = 0x24;
const ARRAY = 0x2a;
/** No Redis announces more than this; sums of it stay exact. */
const MOST_LENGTH = 1e12;

/** Passes over values, see {@link createValueSkipper}. */
export type ValueSkipper = ReturnType<typeof createValueSkipper>;

/**
 * Passes over values of a reply (RESP2) and makes nothing of them: it only counts, to find where they end.
 * @param count of values, without those in arrays
 * @param mostBytes that they may have
 */
export function createValueSkipper(count: number, mostBytes: number) {
  /** Values whose first line is not complete. */
  let toCome = count;
  let passedBytes = 0;
  /** Bytes of the string being passed. */
  let stringBytes = 0;
  /** The line that is incomplete: its first byte, or 0 between lines; its number, and whether a minus precedes it. */
  let type = 0;
  let number = 0;
  let isNegative = false;

  /**
   * Takes bytes up to the end of the values, or to where they are found too long; returns how many it took.
   * @throws when they are no RESP2
   */
  function pass(bytes: Buffer): number {
    const end = bytes.length;
    let at = 0;
    while (at < end && !isDone() && !isTooLong(at)) {
      if (stringBytes > 0) {
        const used = Math.min(stringBytes, end - at);
        stringBytes -= used;
        at += used;
        continue;
      }
      if (type === 0) type = bytes[at++] ?? 0;
      if (type === INTEGER || type === STATUS || type === ERROR) while (at < end && bytes[at] !== NEWLINE) at++;
      else if (type === STRING || type === ARRAY)
        while (at < end && bytes[at] !== NEWLINE) addToNumber(bytes[at++] ?? 0);
      else throw new Error("this is no reply of Redis");
      if (at < end) {
        at++;
        endLine();
      }
    }
    passedBytes += at;
    return at;
  }

  function addToNumber(byte: number): void {
    if (byte >= ZERO && byte <= NINE && number < MOST_LENGTH) number = number * 10 + byte - ZERO;
    else if (byte === MINUS && number === 0) isNegative = true;
    else if (byte !== RETURN) throw new Error("this is no reply of Redis");
  }

  function endLine(): void {
    toCome--;
    // A string's own line end comes with it.
    if (type === STRING && !isNegative) stringBytes = number + 2;
    else if (type === ARRAY && !isNegative) toCome += number;
    type = 0;
    number = 0;
    isNegative = false;
  }

  function isDone(): boolean {
    return toCome === 0 && stringBytes === 0;
  }

  /** The least that they still have; of a line under way, its end. */
  function leastBytes(): number {
    return stringBytes + toCome * LEAST_VALUE_BYTES - (type === 0 ? 0 : LEAST_VALUE_BYTES - 1);
  }

  /** Asked between lines, so that chunks make no difference. */
  function isTooLong(at = 0): boolean {
    return type === 0 && passedBytes + at + leastBytes() > mostBytes;
  }

  return { pass, isDone, isTooLong, leastBytes };
}
