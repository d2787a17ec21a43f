/**
 * What a client says first, as regular expressions of both JavaScript and PCRE: HAProxy decides by them, and so does
 * the concierge. Letters count in either case. They look at the beginning of what has come so far.
 */

/** One piece of a command: `whole` as it must be, `begun` with as much of it as may have come. */
type Piece = { readonly whole: string; readonly begun: string };

/** Fewest characters of a password: the id is in the first ones. */
const ID_PART = 16;
const MOST_USER = 64;
/** Of a password, and of the name that a client gives itself. */
const MOST_WORD = 999;
/** Nothing comes after this, in words that both kinds of expressions have. */
const END = "(?![\\s\\S])";

/** A word of any content, with its length before it. */
const anyWord = (least: number, most: number): Piece[] => [
  ...exactly("\r\n$"),
  { whole: `[0-9]{1,${String(most).length}}`, begun: `[0-9]{0,${String(most).length}}` },
  ...exactly("\r\n"),
  { whole: `[^\\r\\n]{${least},${most}}`, begun: `[^\\r\\n]{0,${most}}` },
];
const user = anyWord(1, MOST_USER);
const password = anyWord(ID_PART, MOST_WORD);
const clientName = anyWord(1, MOST_WORD);
const hello = (words: string): Piece[] => [
  ...exactly(`*${words}\r\n$5\r\nHELLO\r\n$1\r\n`),
  anyOf("23"),
  ...exactly("\r\n$4\r\nAUTH"),
  ...user,
  ...password,
];

/**
 * The log-ins that are understood without looking further. In each, counted from 1 and parted by line ends: the word
 * that the password is, and words whose lengths their clients have told, with the words that tell them.
 */
const FORMS: readonly {
  readonly pieces: readonly Piece[];
  readonly passwordWord: number;
  readonly sized: readonly { readonly lengthWord: number; readonly word: number }[];
}[] = [
  { pieces: [...exactly("*2\r\n$4\r\nAUTH"), ...password], passwordWord: 5, sized: sizedAt(5) },
  { pieces: [...exactly("*3\r\n$4\r\nAUTH"), ...user, ...password], passwordWord: 7, sized: sizedAt(5, 7) },
  { pieces: hello("5"), passwordWord: 11, sized: sizedAt(9, 11) },
  {
    pieces: [...hello("7"), ...exactly("\r\n$7\r\nSETNAME"), ...clientName],
    passwordWord: 11,
    sized: sizedAt(9, 11, 15),
  },
].map(({ pieces, ...words }) => ({ pieces: [...pieces, ...exactly("\r\n")], ...words }));

/**
 * AUTH with a password, AUTH with a user and a password, or HELLO with AUTH, whole. All of them are arrays of RESP.
 * Whether words are as long as their client says is not looked at: where they are not, a Redis waits for more.
 */
export const LOGIN = `^(?:${FORMS.map(({ pieces }) => wholeOf(pieces)).join("|")})`;

/** Either such a log-in, or what cannot become one any more, however much comes yet. */
export const DECIDED = `${LOGIN}|^(?!(?:${FORMS.map(({ pieces }) => begunOf(pieces)).join("|")})${END})`;

/** The log-ins one by one. */
export const LOGINS = FORMS.map(({ pieces, ...words }) => ({ pattern: `^${wholeOf(pieces)}`, ...words }));

/** Most bytes of it that the expressions look at. */
export const MOST_BYTES = 2_200;

function sizedAt(...words: number[]) {
  return words.map((word) => ({ lengthWord: word - 1, word }));
}

function exactly(text: string): Piece[] {
  return Array.from(text, (letter) => {
    const whole = letter === "\r" ? "\\r" : letter === "\n" ? "\\n" : /[$*]/.test(letter) ? `\\${letter}` : letter;
    return { whole, begun: whole };
  });
}

function anyOf(letters: string): Piece {
  return { whole: `[${letters}]`, begun: `[${letters}]` };
}

function wholeOf(pieces: readonly Piece[]): string {
  return pieces.map(({ whole }) => whole).join("");
}

/** Any beginning of it, the empty one too: where the last piece is not whole, nothing may come after it. */
function begunOf(pieces: readonly Piece[]): string {
  return pieces.reduceRight(
    (rest, { whole, begun }) => (whole === begun ? `(?:${whole}${rest})?` : `(?:${whole}${rest}|${begun})`),
    "",
  );
}
