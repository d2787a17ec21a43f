import { checkCertificate, type CheckedCertificate } from "../core/edge/certificate.ts";
import type { Happening } from "../core/events/event.ts";
import { messageOf } from "../lib/errors.ts";

/** What following a certificate needs. */
export type CertificatePorts = {
  /** @throws when a file cannot be read, with its name */
  readonly readFiles: () => Promise<{ readonly chain: string; readonly key: string }>;
  /** Serves it from now on. @throws PlaneFault when that fails: the one before is served on */
  readonly serve: (certificate: GoodCertificate) => Promise<void>;
  readonly note: (happening: Happening) => Promise<void>;
  readonly clock: () => Date;
};

/** A certificate that can be served. */
export type GoodCertificate = Extract<CheckedCertificate, { kind: "good" }>;

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** An alarm goes on for as long as it is reported again. */
const REPORT_MS = MINUTE;
/** Who renews certificates does so weeks before; with less time left, nobody does. */
const WARN_DAYS = 10;

/**
 * Reads and checks a certificate.
 * @throws when it cannot be served, with the reason for the operator
 */
export async function readGoodCertificate(
  { readFiles, clock }: Pick<CertificatePorts, "readFiles" | "clock">,
  domain: string | undefined,
): Promise<GoodCertificate> {
  const checked = checkCertificate(await readFiles(), domain, clock());
  if (checked.kind === "bad") throw new Error(checked.reason);
  return checked;
}

/**
 * Follows the certificate of an edge: what it gives back is called again and again, and serves a new one once it is good.
 * A bad one is told, and the one before is served on.
 */
export function watchCertificate(ports: CertificatePorts, domain: string, first: GoodCertificate) {
  let current = first;
  let reportedAt = -Infinity;

  return async (): Promise<void> => {
    const now = ports.clock();
    try {
      const next = await readGoodCertificate(ports, domain);
      if (next.pem !== current.pem) {
        await ports.serve(next);
        current = next;
        const reason = `the certificate that expires at ${next.expiresAt.toISOString()} is served from now on`;
        await ports.note({ kind: "certificate", reason });
      }
    } catch (fault) {
      await report({ kind: "certificate-refused", alarm: true, reason: refusal(messageOf(fault)) }, now);
      return;
    }
    const days = Math.floor((current.expiresAt.getTime() - now.getTime()) / DAY);
    if (days < WARN_DAYS) {
      const reason = `the certificate of the edge expires within ${days + 1} days, and no newer one is there`;
      await report({ kind: "certificate-expiring", alarm: true, reason }, now);
    }
  };

  async function report(happening: Happening, now: Date): Promise<void> {
    if (now.getTime() - reportedAt < REPORT_MS) return;
    reportedAt = now.getTime();
    await ports.note(happening);
  }
}

function refusal(why: string): string {
  return `the certificate in EDGE_CERT_DIR cannot be served, and the one before is served on: ${why}`;
}
