/** What has to be undone, in the reverse order of doing it. */
export interface UndoList {
  add: (undo: () => Promise<void>) => void;
  /** Runs all, the newest first, each whatever came of the others; throws the first error afterwards. */
  undoAll: () => Promise<void>;
}

/** An empty list of things to undo. */
export function createUndoList(): UndoList {
  const undos: (() => Promise<void>)[] = [];
  return {
    add: (undo) => void undos.push(undo),
    undoAll: async () => {
      const errors: unknown[] = [];
      for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
        await undo().catch((error: unknown) => void errors.push(error));
      }
      if (errors.length > 0) throw errors[0];
    },
  };
}
