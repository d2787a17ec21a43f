import { messageOf } from "./errors.ts";

/** An outside system that does not answer now. Nothing was decided: the caller may try again later. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
  readonly system: "mysql" | "redis";

  constructor(system: Unavailable["system"], cause: unknown) {
    super(`${system} does not answer: ${messageOf(cause)}`, { cause });
    this.system = system;
  }
}
