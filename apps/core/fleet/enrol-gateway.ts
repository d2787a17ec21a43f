import type { GatewayDroplets } from "./contract.ts";

/** What enrolling a gateway needs. */
export type EnrolGatewayPorts = {
  readonly store: { readonly gatewayDroplets: Pick<GatewayDroplets, "enrol"> };
  /** The settings that a gateway is told, as a file. Its Redis password is in it. */
  readonly environmentOf: (name: string) => string;
  /** Lets the gateway log in to Redis. */
  readonly grantRedis: (name: string) => Promise<void>;
};

/**
 * Tells a booting gateway its settings, for the token it was ordered with. From then on it shows who it is by the secret
 * that it has made for itself; the same secret may ask again with that token, in case its answer was lost.
 * @throws Unavailable when MySQL or Redis does not answer: the gateway may ask again
 */
export async function enrolGateway(
  ports: EnrolGatewayPorts,
  claim: Parameters<GatewayDroplets["enrol"]>[0],
): Promise<{ readonly kind: "enrolled"; readonly environment: string } | { readonly kind: "refused" }> {
  if ((await ports.store.gatewayDroplets.enrol(claim)) === "refused") return { kind: "refused" };
  await ports.grantRedis(claim.name);
  return { kind: "enrolled", environment: ports.environmentOf(claim.name) };
}
