import type { World } from "./world.ts";

const nothing = { write: () => undefined, isTerminal: false, columns: undefined };
const never = () => Promise.reject(new Error("there is no machine"));

/** No machine at all: for those who ask the commands about themselves, and run none. */
export const nowhere: World = {
  args: [],
  env: {},
  stdout: nothing,
  stderr: nothing,
  stdin: { isTerminal: false, read: never, ask: never },
  files: { read: never, write: never, list: never, remove: never },
  remote: { resolve: never, seeGateway: never, sayToRedis: never, pipe: never },
  fetch: never,
  clock: () => new Date(0),
  delay: never,
  newKey: () => "",
  interrupted: new AbortController().signal,
  package: { version: "0.0.0", service: undefined },
};
