import { idOfPassword } from "../services/address.ts";
import { LOGIN } from "./first-command.ts";
import { readRequest } from "./requests.ts";

/** What to do with a client that has not logged in. */
export type Courtesy = {
  /** To be sent to it, in any case first. */
  readonly reply: string;
  readonly next:
    /** More has to come. */
    | { readonly kind: "wait" }
    | { readonly kind: "close" }
    /** It logs in to an instance: `login` is to be sent there, and all that comes after it. */
    | { readonly kind: "pass-on"; readonly id: string; readonly login: Buffer; readonly rest: Buffer };
};

/** The words of Redis for whoever has not logged in. */
export const WRONG_PASSWORD = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
/** And for whoever is one too many. */
export const TOO_MANY = "-ERR max number of clients reached\r\n";
const NOT_LOGGED_IN = "-NOAUTH Authentication required.\r\n";
const HELLO_NOT_LOGGED_IN =
  "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> " +
  "option can be used to authenticate the client and select the RESP protocol version at the same time\r\n";
const loginPattern = new RegExp(LOGIN, "i");
/** Most bytes of a command that is not whole yet: log-ins are small, and each piece that comes has all of them copied. */
const MOST_WAITING_BYTES = 32 * 1024;
/** Clients ask a few things before they log in; whoever asks on and on takes time from all others. */
const MOST_COMMANDS = 50;

/**
 * Answers a client as a Redis does before a log-in. Instances that do not exist, that have ended, and passwords that
 * name none get one answer.
 * @param named id that the client named when it connected
 * @param hasRoute whether there is an instance of this id
 */
export function createConcierge(named: string | undefined, hasRoute: (id: string) => boolean) {
  let waiting: Buffer = Buffer.alloc(0);
  let commands = 0;

  /** Takes what the client sent. After "pass-on" or "close" nothing more is taken. */
  function take(sent: Buffer): Courtesy {
    waiting = Buffer.concat([waiting, sent]);
    let reply = "";
    for (;;) {
      const request = readRequest(waiting);
      if (request.kind === "wrong") return { reply: reply + request.message, next: { kind: "close" } };
      if (request.kind === "part")
        return { reply, next: waiting.length > MOST_WAITING_BYTES ? { kind: "close" } : { kind: "wait" } };
      waiting = waiting.subarray(request.bytes);
      const answer = answerTo(request.words);
      if (answer.kind === "pass-on") return { reply, next: { ...answer, rest: waiting } };
      reply += answer.text;
      commands++;
      if (answer.kind === "close" || commands >= MOST_COMMANDS) return { reply, next: { kind: "close" } };
    }
  }

  function answerTo(words: readonly Buffer[]): Answer {
    const [name, ...args] = words.map((word) => word.toString("latin1"));
    switch (name?.toUpperCase()) {
      case undefined:
        return say("");
      case "AUTH":
        if (args.length === 0) return say("-ERR wrong number of arguments for 'auth' command\r\n");
        if (args.length > 2) return say("-ERR syntax error\r\n");
        return logIn(args.at(-1) ?? "", words);
      case "HELLO":
        return greet(args);
      case "QUIT":
        return { kind: "close", text: "+OK\r\n" };
      case "RESET":
        return say("+RESET\r\n");
      default:
        return say(NOT_LOGGED_IN);
    }
  }

  function greet([version, ...options]: readonly string[]): Answer {
    if (version === undefined) return say(HELLO_NOT_LOGGED_IN);
    if (!/^\d{1,9}$/.test(version)) return say("-ERR Protocol version is not an integer or out of range\r\n");
    if (version !== "2" && version !== "3") return say("-NOPROTO unsupported protocol version\r\n");
    let auth: readonly [string, string] | undefined;
    let clientName: string | undefined;
    for (let at = 0; at < options.length;) {
      const [word, first, second] = options.slice(at, at + 3);
      if (word?.toUpperCase() === "AUTH" && first !== undefined && second !== undefined) {
        auth = [first, second];
        at += 3;
      } else if (word?.toUpperCase() === "SETNAME" && first !== undefined) {
        clientName = first;
        at += 2;
      } else return say(`-ERR Syntax error in HELLO option '${word?.replace(/[^\x20-\x7e]/g, "?") ?? ""}'\r\n`);
    }
    if (!auth) return say(HELLO_NOT_LOGGED_IN);
    // In the one order that is understood on the way.
    const ordered = ["HELLO", version, "AUTH", ...auth, ...(clientName === undefined ? [] : ["SETNAME", clientName])];
    return logIn(
      auth[1],
      ordered.map((word) => Buffer.from(word, "latin1")),
    );
  }

  function logIn(password: string, words: readonly Buffer[]): Answer {
    const id = named ?? idOfPassword(password);
    const login = arrayOf(words);
    if (id === undefined || !hasRoute(id) || !loginPattern.test(login.toString("latin1"))) return say(WRONG_PASSWORD);
    return { kind: "pass-on", id, login };
  }

  return { take };
}

type Answer =
  | { readonly kind: "reply" | "close"; readonly text: string }
  | { readonly kind: "pass-on"; readonly id: string; readonly login: Buffer };

function say(text: string): Answer {
  return { kind: "reply", text };
}

/** A command as clients send it. */
function arrayOf(words: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from("\r\n")]),
  ]);
}
