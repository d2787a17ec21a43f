import { messageOf } from "./errors.ts";

/** Outside systems that may not answer. */
export type OutsideSystem = "mysql" | "redis";

/** An outside system that does not answer now. Nothing was decided: the caller may try again later. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
  readonly system: OutsideSystem;

  constructor(system: OutsideSystem, cause: unknown) {
    super(`${system} does not answer: ${messageOf(cause)}`, { cause });
    this.system = system;
  }
}

/** The answer, or undefined while one of `systems` does not answer. Every other fault is thrown on. */
export async function whileKnown<T>(answer: Promise<T>, ...systems: readonly OutsideSystem[]): Promise<T | undefined> {
  try {
    return await answer;
  } catch (fault) {
    if (fault instanceof Unavailable && systems.includes(fault.system)) return undefined;
    throw fault;
  }
}
