/**
 * What a client says first, as regular expressions of both JavaScript and PCRE: HAProxy decides by them, and so does
 * the concierge. Letters count in either case. They look at the beginning of what has come so far.
 */

/** One piece of a command: `whole` as it must be, `begun` with as much of it as may have come. */
type Piece = { readonly whole: string; readonly begun: string };

/** Characters of a password that are looked at: the id is in them. */
const SEEN = 16;
/** Nothing comes after this, in words that both kinds of expressions have. */
const END = "(?![\\s\\S])";

const lengthOf = (digits: number): Piece[] => [
  ...exactly("\r\n$"),
  { whole: `[0-9]{1,${digits}}`, begun: `[0-9]{0,${digits}}` },
  ...exactly("\r\n"),
];
const user: Piece[] = [...lengthOf(2), { whole: "[^\\r\\n]{1,64}", begun: "[^\\r\\n]{0,64}" }];
const password: Piece[] = [...lengthOf(3), { whole: `[^\\r\\n]{${SEEN}}`, begun: `[^\\r\\n]{0,${SEEN}}` }];

/** The log-ins that are understood without looking further, and the word that the password is in each. */
const LOGINS: readonly { readonly pieces: readonly Piece[]; readonly passwordWord: number }[] = [
  { pieces: [...exactly("*2\r\n$4\r\nAUTH"), ...password], passwordWord: 5 },
  { pieces: [...exactly("*3\r\n$4\r\nAUTH"), ...user, ...password], passwordWord: 7 },
  {
    pieces: [
      ...exactly("*"),
      anyOf("57"),
      ...exactly("\r\n$5\r\nHELLO\r\n$1\r\n"),
      anyOf("23"),
      ...exactly("\r\n$4\r\nAUTH"),
      ...user,
      ...password,
    ],
    passwordWord: 11,
  },
];

/**
 * AUTH with a password, AUTH with a user and a password, or HELLO with AUTH: as much of it as the id of an instance
 * takes. All of them are arrays of RESP.
 */
export const LOGIN = `^(?:${LOGINS.map(({ pieces }) => wholeOf(pieces)).join("|")})`;

/** Either such a log-in, or what cannot become one any more, however much comes yet. */
export const DECIDED = `${LOGIN}|^(?!(?:${LOGINS.map(({ pieces }) => begunOf(pieces)).join("|")})${END})`;

/** The log-ins one by one: in which word, counted from 1 and parted by line ends, the password is. */
export const PASSWORD_WORDS = LOGINS.map(({ pieces, passwordWord }) => ({
  pattern: `^${wholeOf(pieces)}`,
  passwordWord,
}));

/** Most bytes of it that the expressions look at. */
export const MOST_BYTES = 160;

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

/** Any beginning of it, the empty one too. */
function begunOf(pieces: readonly Piece[]): string {
  return pieces.reduceRight((rest, { begun }) => `(?:${begun}${rest})?`, "");
}
