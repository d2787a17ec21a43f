import pTimeout from "p-timeout";
import { messageOf } from "./errors.ts";

const SECOND = 1000;
const STEP_MS = 5 * SECOND;
const KILL_MS = 5 * SECOND;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** How one step of the end is done; see {@link UndoList}. */
export type UndoOptions = {
  /** Time that it may take, 5 s when not given. */
  readonly withinMs?: number;
  /** The consequence when it does not finish in time, for the message. */
  readonly ifLate?: string;
  /** Does the same at once and by force (SIGKILL): after a failure or a time-out, and when the end is forced. */
  readonly kill?: () => Promise<void>;
};

/** Named steps that undo what was done, in the reverse order of doing it. */
export type UndoList = {
  readonly add: (name: string, undo: () => unknown, options?: UndoOptions) => void;
  /**
   * Does all steps, the newest first, each within its time, whether or not the others fail. A second call does
   * what was added since the first.
   * @throws what a step threw, with the step's name; an AggregateError, the first error first, when it was
   *   several
   */
  readonly undoAll: () => Promise<void>;
  /**
   * Does by force what is left or under way, all at once, and skips steps without a `kill`. Takes 5 s at most,
   * and never throws.
   */
  readonly killAll: () => Promise<void>;
};

/** What a program's work gets: the signal to stop, and the list of steps that undo. */
export type Lifecycle = {
  /** Aborted when the program is told to stop; its reason says so. */
  readonly ending: AbortSignal;
  /** Adds a step of the end. */
  readonly undoLater: UndoList["add"];
  /** Resolves when the program is told to stop. */
  readonly untilTold: () => Promise<unknown>;
};

/** How a program reports what happens to it. */
export type Narrator = {
  /** It was told to stop. */
  readonly stopping: () => void;
  /** It was told to stop a second time: it is killed now. */
  readonly forced: () => void;
  /** It did not start, or its work failed. */
  readonly failed: (error: unknown) => void;
  /** Not everything could be undone. */
  readonly leftUndone: (error: unknown) => void;
  /** Its work is done, and everything undone. */
  readonly stopped: () => void;
};

/** What a lifecycle needs of `process`. */
export type ProcessPort = {
  readonly on: (signal: (typeof signals)[number], listener: () => void) => unknown;
  readonly exit: (code: number) => unknown;
};

/**
 * Runs a program until its work is over or it is told to stop (SIGINT, SIGTERM, SIGHUP), undoes what was begun,
 * also when the work fails halfway, and exits: with 0, or with 1 when anything failed. Told a second time, it
 * kills what it can, leaves the rest, and exits with 1. Signals are heard from the call on.
 */
export async function runProgram(
  work: (life: Lifecycle) => Promise<void>,
  narrator: Narrator,
  { on, exit }: ProcessPort = { on: process.on.bind(process), exit: process.exit.bind(process) },
): Promise<void> {
  const undo = createUndoList();
  const ending = new AbortController();
  const told = Promise.withResolvers<true>();
  const forced = new AbortController();
  const force = async () => {
    if (forced.signal.aborted) return;
    forced.abort();
    narrator.forced();
    await undo.killAll();
    exit(1);
  };
  const onSignal = () => {
    if (ending.signal.aborted) return void force();
    ending.abort(new Interrupted("told to stop"));
    narrator.stopping();
    told.resolve(true);
  };
  for (const signal of signals) on(signal, onSignal);

  let hasFailed = false;
  try {
    await work({ ending: ending.signal, undoLater: undo.add, untilTold: () => told.promise });
  } catch (error) {
    hasFailed = !isOfEnding(error, ending.signal);
    if (hasFailed) narrator.failed(error);
  }
  try {
    await undo.undoAll();
  } catch (error) {
    hasFailed = true;
    narrator.leftUndone(error);
  }
  // The kill that is under way ends the process.
  if (forced.signal.aborted) return;
  if (!hasFailed) narrator.stopped();
  exit(hasFailed ? 1 : 0);
}

/** A list without steps. */
export function createUndoList(): UndoList {
  const steps: Step[] = [];
  let atWork: Step | undefined;
  return {
    add: (name, undo, options = {}) => void steps.push({ name, undo, options }),
    undoAll: async () => {
      const errors: Error[] = [];
      while ((atWork = steps.pop()) !== undefined) {
        const error = await errorOf(atWork);
        if (error === undefined) continue;
        errors.push(error);
        await killAtOnce([atWork]);
      }
      if (errors.length > 1) throw new AggregateError(errors);
      if (errors[0] !== undefined) throw errors[0];
    },
    killAll: () => killAtOnce([...steps.splice(0), ...(atWork === undefined ? [] : [atWork])]),
  };
}

type Step = { readonly name: string; readonly undo: () => unknown; readonly options: UndoOptions };

/** The error of a step, with the step's name. */
async function errorOf({ name, undo, options }: Step): Promise<Error | undefined> {
  const { withinMs = STEP_MS, ifLate } = options;
  const consequence = ifLate === undefined ? "" : `; ${ifLate}`;
  const late = new Error(`${name} did not finish in time (${withinMs / SECOND} s)${consequence}`);
  try {
    const done = (async () => await undo())();
    await pTimeout(done, { milliseconds: withinMs, message: late });
    return undefined;
  } catch (cause) {
    return cause === late ? late : new Error(`${name}: ${messageOf(cause)}`, { cause });
  }
}

async function killAtOnce(steps: readonly Step[]): Promise<void> {
  const kills = Promise.allSettled(steps.map(async ({ options }) => options.kill?.()));
  await pTimeout(kills, { milliseconds: KILL_MS, fallback: () => undefined });
}

/** Reports of a service, in its log. */
export function inLog(logger: Record<"info" | "fatal", (fields: object, message: string) => void>): Narrator {
  return {
    stopping: () => logger.info({}, "stopping"),
    forced: () => logger.fatal({}, "told to stop a second time: what was at work is left as it is"),
    failed: (err) => logger.fatal({ err }, messageOf(err)),
    leftUndone: (err) => logger.fatal({ err }, messageOf(err)),
    stopped: () => logger.info({}, "stopped"),
  };
}

class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Whether work ended because the program was told to stop: by us, or by a Ctrl-C that its commands received too. */
function isOfEnding(error: unknown, ending: AbortSignal): boolean {
  if (!ending.aborted || !(error instanceof Error)) return false;
  return error === ending.reason || error.name === "AbortError" || ("signal" in error && error.signal === "SIGINT");
}
