import { apiErrors } from "./api-error.ts";

/** An event of a droplet. */
export type Action = {
  readonly id: number;
  readonly type: string;
  readonly dropletId: number;
  readonly regionSlug: string;
  readonly startedAt: number;
  status: "in-progress" | "completed" | "errored";
  completedAt: number | null;
  readonly end: (status: "completed" | "errored") => void;
};

/** Events by their numbers. */
export function createActions() {
  const actions = new Map<number, Action>();
  let lastId = Math.floor(Date.now() / 1000);

  function begin(type: string, dropletId: number, regionSlug: string): Action {
    const action: Action = {
      id: ++lastId,
      type,
      dropletId,
      regionSlug,
      startedAt: Date.now(),
      status: "in-progress",
      completedAt: null,
      end: (status) => {
        action.status = status;
        action.completedAt = Date.now();
      },
    };
    actions.set(action.id, action);
    return action;
  }

  /** @throws ApiError when there is none */
  function get(id: number): Action {
    const action = actions.get(id);
    if (!action) throw apiErrors.notFound();
    return action;
  }

  function of(dropletId: number): Action[] {
    return [...actions.values()].filter((action) => action.dropletId === dropletId).reverse();
  }

  return { begin, get, of };
}

export type Actions = ReturnType<typeof createActions>;
