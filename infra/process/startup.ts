import { step } from "./progress.ts";
import { createUndoList } from "./undo-list.ts";

/** Something that runs until the end of `npm start`. */
export interface Running {
  stop: () => Promise<void>;
  /** SIGKILL, without waiting. */
  kill: () => Promise<void>;
}

/** A start on its way, and what it takes to end it. */
export interface Startup {
  /**
   * Runs a step and prints a line about it; `note` adds to that line.
   * @throws Interrupted instead of beginning a step, or going on after one, once the end was asked for
   */
  inOrder: <T>(name: string, work: (note: (text: string) => void) => Promise<T>) => Promise<T>;
  /** @throws Interrupted once the end was asked for */
  goOn: () => void;
  /** Has something undone in the end, what came last first. */
  undoLater: (undo: () => Promise<void>) => void;
  /** Has something stopped in the end, or killed when the end is forced. */
  stopLater: (running: Running) => void;
  /** Undoes and stops all, each whatever came of the others; throws the first error afterwards. */
  undoAll: () => Promise<void>;
  /** Kills all that would be stopped; what is not a process is left as it is. */
  killAll: () => Promise<void>;
}

/** Thrown when the user ends a start half-way; everything is undone as after any other end. */
export class Interrupted extends Error {}

/** A start with nothing to end yet; `ending` is aborted when the user asks for the end. */
export function createStartup(ending: AbortSignal): Startup {
  const undo = createUndoList();
  const running = new Set<Running>();
  const goOn = () => {
    if (ending.aborted) throw new Interrupted();
  };
  return {
    inOrder: async (name, work) => {
      goOn();
      const result = await step(name, work);
      goOn();
      return result;
    },
    goOn,
    undoLater: undo.add,
    stopLater: (one) => {
      running.add(one);
      undo.add(async () => {
        await one.stop();
        running.delete(one);
      });
    },
    undoAll: undo.undoAll,
    killAll: async () => {
      await Promise.allSettled([...running].map(({ kill }) => kill()));
    },
  };
}
