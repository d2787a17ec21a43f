/** A plane does not answer, or refuses what it was asked. Whether it had an effect is unknown. */
export class PlaneFault extends Error {
  override readonly name = "PlaneFault";
}
