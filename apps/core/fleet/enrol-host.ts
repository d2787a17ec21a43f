import type { KeyObject } from "node:crypto";
import type { Droplets } from "./contract.ts";

/** What enrolling a host needs. */
export type EnrolPorts = {
  readonly store: { readonly droplets: Pick<Droplets, "enrol"> };
  readonly authority: {
    readonly readRequest: (pem: string) => CertificateRequest | { readonly refusal: string };
    readonly certify: (request: CertificateRequest, hostName: string, now: Date) => string;
  };
  readonly heartbeatPassword: (hostName: string) => string;
  /** Lets the host's heartbeat log in to Redis with this password. */
  readonly grantHeartbeat: (hostName: string, password: string) => Promise<void>;
  readonly clock: () => Date;
};

/** A checked certificate request. */
type CertificateRequest = { readonly publicKey: KeyObject; readonly keyHash: Buffer };

/** The outcome of an enrolment. */
export type EnrolResult =
  | { readonly kind: "enrolled"; readonly certificate: string; readonly heartbeatPassword: string }
  | { readonly kind: "bad-request"; readonly reason: string }
  | { readonly kind: "refused" };

/**
 * Gives a booting host its certificate and its heartbeat's password, for the token it was ordered with. The
 * same key may ask again with that token, in case its answer was lost; another key may not.
 * @throws Unavailable when MySQL or Redis does not answer: the host may ask again
 */
export async function enrolHost(
  ports: EnrolPorts,
  claim: { readonly hostName: string; readonly tokenHash: Buffer; readonly requestPem: string },
): Promise<EnrolResult> {
  const { hostName, tokenHash } = claim;
  const request = ports.authority.readRequest(claim.requestPem);
  if ("refusal" in request) return { kind: "bad-request", reason: request.refusal };
  if ((await ports.store.droplets.enrol({ hostName, tokenHash, keyHash: request.keyHash })) === "refused")
    return { kind: "refused" };
  // The first heartbeat is sent a moment after the answer.
  const heartbeatPassword = ports.heartbeatPassword(hostName);
  await ports.grantHeartbeat(hostName, heartbeatPassword);
  return {
    kind: "enrolled",
    certificate: ports.authority.certify(request, hostName, ports.clock()),
    heartbeatPassword,
  };
}
