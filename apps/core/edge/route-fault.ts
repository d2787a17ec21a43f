/** Gateways have not taken on a route in time, or none lives: whoever is told the instance's address would not get there. */
export class RouteFault extends Error {
  override readonly name = "RouteFault";
}
