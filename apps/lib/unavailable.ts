/** An outside system that does not answer now. Nothing was decided: the caller may try again later. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
  readonly system: "mysql" | "redis";

  constructor(system: Unavailable["system"], cause: unknown) {
    super(`${system} does not answer: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.system = system;
  }
}
