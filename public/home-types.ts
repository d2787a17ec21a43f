import type {
  ConsoleAnswer,
  ConsoleCommand,
  ConsoleFigures,
  Handout,
  InstanceState,
  Problem,
  Stats,
} from "./api-types.ts";

/*
 * What the homepage's scripts are to each other. Types only: they stand here and not in the scripts, whose
 * every byte is loaded with the page.
 */

/** What a call gives: a value, or the problem that came instead. `status` is 0 when no answer came. */
export type Answer<T> =
  { readonly value: T; readonly problem?: undefined } | { readonly value?: undefined; readonly problem: CallProblem };
export type CallProblem = Pick<Problem, "status" | "title" | "detail" | "challenge" | "bits"> &
  Partial<Pick<Problem, "type">> & {
    readonly retryAfterSeconds: number;
  };

export type CallOptions = {
  readonly token?: string | undefined;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Gives the call up; without it, it counts as unanswered after a while. */
  readonly signal?: AbortSignal;
  /** What an answer that did not come means for this call. */
  readonly ifUnanswered?: string;
};

/** The service's HTTP calls. None throws: every failure can be shown. */
export type Api = {
  /**
   * Asks for an instance; the same key gives the same instance, however often it is sent. A refusal with a
   * challenge wants a proof of work.
   */
  readonly create: (idempotencyKey: string, proof?: string) => Promise<Answer<Handout>>;
  readonly status: (instance: Held) => Promise<Answer<InstanceState>>;
  /** Makes the lease end `ttlSeconds` from now. */
  readonly extend: (instance: Held, ttlSeconds: number) => Promise<Answer<InstanceState>>;
  readonly end: (instance: Held) => Promise<Answer<null>>;
  /** Runs a typed line; what the console knows of its connection goes with it. */
  readonly run: (
    instance: Held,
    command: Omit<ConsoleCommand, "password">,
    /** Gives it up. */
    signal: AbortSignal,
  ) => Promise<Answer<ConsoleAnswer>>;
  readonly figures: (instance: Held) => Promise<Answer<ConsoleFigures>>;
  readonly stats: () => Promise<Answer<Stats>>;
  /** The service's time, in milliseconds since 1970. */
  readonly now: () => number;
};

type Secret = "password" | "url" | "token";
type Server = "engine" | "version";
/**
 * An instance as this browser keeps it: without its secrets once it has ended, and without what runs in it when an
 * earlier version of the page has kept it.
 */
export type Held = Omit<Handout, Secret | Server> & { readonly [Name in Server]?: Handout[Name] | undefined } & {
  -readonly [Name in Secret]?: Handout[Name];
};
/** A held instance with its state, in the service's words. */
export type Entry = {
  readonly instance: Held;
  /** What its holder calls it; this browser alone knows that. */
  readonly name?: string;
} & State;
/** What the service says of an instance; `endCause` also "unknown". */
export type State = {
  readonly state: InstanceState["state"];
  readonly endedAt?: string | null | undefined;
  readonly endCause?: string | null | undefined;
  readonly lastRestart?: InstanceState["lastRestart"] | undefined;
  readonly transfer?: InstanceState["transfer"] | undefined;
};
/** What storage holds in the place of an entry, which another version of the page may have written. */
export type Unchecked = {
  readonly instance?: { readonly [Name in keyof Handout]?: unknown } | null;
  readonly state?: unknown;
  readonly name?: unknown;
} | null;

/** The instances that this browser holds. */
export type HeldInstances = {
  readonly list: () => readonly Entry[];
  /** Whether a reload finds them again. */
  readonly isKept: () => boolean;
  readonly find: (id: string | undefined) => Entry | undefined;
  /** Keeps a new instance, in place of those that have ended; the same one twice is kept once. */
  readonly add: (instance: Handout) => void;
  /** Takes over what the service says of an instance; of one that has ended the secrets are forgotten. */
  readonly update: (id: string, state: State & { readonly expiresAt?: string }) => void;
  readonly remove: (id: string) => void;
  /** Gives an instance a name; an empty one takes it away. */
  readonly rename: (id: string, name: string) => void;
  /** Idempotency key of this tab's hand-out under way: the same until an answer has settled it, reloads included. */
  readonly pendingKey: () => string;
  readonly settle: () => void;
};

/** The slip on which an instance is shown. */
export type Slip = {
  readonly blank: () => void;
  readonly working: () => void;
  readonly show: (entry: Entry) => void;
  /** Brings countdown and bar up to the second. */
  readonly tick: () => void;
  /** Offers to extend the lease by this much; null where it cannot grow. */
  readonly offerExtension: (gainMs: number | null) => void;
  /** Shows one group of buttons, or none. */
  readonly actions: (which: "acts" | "sure" | "over" | null) => void;
  /** Shows the field for a name in the place of the name. */
  readonly renaming: (isOpen: boolean) => void;
  readonly note: (text: string, isFault?: boolean) => void;
  readonly setState: (state: string) => void;
  /** The button of an action. */
  readonly act: (name: string) => HTMLButtonElement;
  readonly focus: () => void;
};

/** What the holder can do to an instance, by the names of its buttons. */
export type Acts = { readonly [name: string]: ((instance: Held) => unknown) | undefined };

/** The parts of the page that these acts work on. */
export type ActParts = {
  readonly api: Api;
  readonly held: HeldInstances;
  readonly slip: Slip;
  readonly problemBox: HTMLElement;
  /** By how much a lease can grow, in milliseconds. */
  readonly gainMs: (instance: Held) => number;
  readonly select: (id: string | undefined) => void;
  readonly isSelected: (id: string) => boolean;
  readonly refresh: () => Promise<void>;
  readonly showStats: () => Promise<void>;
  readonly say: (text: string) => void;
  readonly focusKey: () => void;
};

/** A part of the workbench: works on a running instance, or on none with null. */
export type Bench = { readonly use: (instance: Held | null) => void };

/** A line typed into the console, with the prompt before it, or what came as its reply. */
export type ConsoleEntry = {
  readonly kind: "typed" | "reply";
  readonly text: string;
  /** Whose word a reply is, as the service names it; "hint" for what stands there at first. */
  readonly tone: string;
  readonly prompt?: string;
};

/** What is kept of a console while its tab is open. */
export type Transcript = {
  readonly entries: ConsoleEntry[];
  /** Lines typed before. */
  readonly lines: string[];
} & Pick<ConsoleAnswer, "database" | "transaction">;

/** What the console keeps of an instance: what was said, and what the connection holds. */
export type Session = {
  readonly instance: Held;
  readonly key: string;
  entries: ConsoleEntry[];
  /** Lines typed before, the place among them, and the line that was being typed. */
  lines: string[];
  at: number;
  draft: string;
  /** Cancels what runs; null while nothing does. */
  abort: AbortController | null;
  /** What runs takes so long that it can be cancelled by the button. */
  isWaiting: boolean;
} & Pick<ConsoleAnswer, "database" | "transaction">;

/**
 * Commands by their names in capitals: what each takes, what it does, its group, and the version of Redis that brought
 * it; with a fifth member, the console cannot run it.
 */
export type Commands = {
  readonly [name: string]:
    readonly [syntax: string, summary: string, group: string, since: string, isElsewhere?: 1] | undefined;
};

/** Words that can stand from a place of the line on, and what its command takes. */
export type Suggestions = { readonly from: number; readonly words: readonly string[]; readonly about: string };
