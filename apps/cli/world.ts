import type { Remote } from "./remote/remote.ts";

/** What `getaredis` needs of the machine that it runs on, so that tests run it without a process. */
export type World = {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: {
    /** Whether a person types there. */
    readonly isTerminal: boolean;
    /** All of it, to its end. */
    readonly read: () => Promise<string>;
    /** Asks a person for a line; only where there is a terminal. */
    readonly ask: (question: string) => Promise<string>;
  };
  readonly files: Files;
  readonly remote: Remote;
  readonly fetch: (request: Request, init: { readonly signal: AbortSignal }) => Promise<Response>;
  readonly clock: () => Date;
  /** @throws when the signal is aborted */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A text that nobody can guess. */
  readonly newKey: () => string;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** The program's own package. */
  readonly package: Package;
};

/** Where a program writes. */
export type Screen = {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  /** Columns of the terminal; undefined where there is none, or it does not tell. */
  readonly columns: number | undefined;
};

/** Files of the user. Paths are absolute, or relative to the folder that the command runs in. */
export type Files = {
  /** Undefined when there is none. */
  readonly read: (path: string) => Promise<string | undefined>;
  /** Writes a file that only its user can read, with the folders above it. @throws when `isNew` and there is one */
  readonly write: (path: string, text: string, options?: { readonly isNew?: boolean }) => Promise<void>;
  /** Names in a folder; none when there is no such folder. */
  readonly list: (folder: string) => Promise<readonly string[]>;
  /** Removes a file that may be gone already. */
  readonly remove: (path: string) => Promise<void>;
};

/** What package.json tells; the service that hands out the package puts in its own address. */
export type Package = { readonly version: string; readonly service: string | undefined };
