import type { InstanceState } from "../instances/instance.ts";

/** Orders of the list of instances; ties are ordered by id. */
export type InstanceOrder = "created" | "expires" | "address" | "host";

/** Which instances to list, and how. Each part narrows. */
export type InstanceSearch = {
  /**
   * Beginning of an id, a holder's address or its beginning, a part
   * of a host's name, the address:port of an instance, or :port at any address.
   */
  readonly text?: string | undefined;
  /** Whether `text` is not looked for in holders' addresses: who may not see them must not find them by guessing. */
  readonly withoutHolders?: boolean | undefined;
  /** `open`: all that have not ended. */
  readonly state: InstanceState | "open" | "all";
  readonly host?: string | undefined;
  /** Had its slot at this moment: begun by then, and not seen gone before. */
  readonly heldAt?: Date | undefined;
  readonly order: InstanceOrder;
  readonly descending: boolean;
  /** Id of the last instance of the page before. */
  readonly after?: string | undefined;
};
