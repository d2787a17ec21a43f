import { generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { resolve } from "node:path";
import ipaddr from "ipaddr.js";
import { makeCertificate, type CertificateFacts } from "../../apps/adapters/pki/certificates.ts";
import { closeToOthers, makeFolder, readFolder, writeFolder, type Pair, type Pki } from "./folder.ts";
import { oneAtATime } from "./one-at-a-time.ts";

/** A change on request; see README.md for when. */
export type PkiChange = "rotate-client" | "rotate-ca" | "retire-old-ca";

export type PkiOptions = {
  /** Names and addresses that booting hosts reach the enrolment by; they are added to those there are. */
  readonly enrolmentNames: readonly string[];
  readonly now: Date;
  readonly change?: PkiChange | undefined;
  /** Aborts the wait for another process that works on the folder. */
  readonly ending?: AbortSignal;
};

/** What was done or found, for a person; a warning needs an action. */
export type PkiNote = { readonly kind: "done" | "kept" | "warning"; readonly text: string };

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** Clocks of freshly booted machines are not set yet, and may be behind ours. */
const BACKDATE_MS = 5 * MINUTE;
const CA_DAYS = 3650;
/** The most that common TLS clients accept. */
const LEAF_DAYS = 825;
const RENEW_DAYS = 30;

/**
 * Makes a folder hold what the control plane needs to be recognised by its hosts: a CA, and by it the control
 * plane's certificate and the enrolment's. What is valid is kept, what ends within 30 days is renewed, and all
 * files change in one step.
 * @throws when the folder is not one of ours or broken, a name is none, or the change does not fit: the folder
 *   is as it was then
 */
export async function ensurePki(dir: string, { enrolmentNames, now, change, ending }: PkiOptions): Promise<PkiNote[]> {
  const folder = resolve(dir);
  const names = enrolmentNames.map(plainName);
  const readFit = async () => {
    const known = await readFolder(folder);
    if (known === undefined && change !== undefined)
      throw new Error(`${folder} holds no certificates yet, so there is nothing to change: run npm run pki first`);
    if (known === undefined && names.length === 0)
      throw new Error("the enrolment needs a name or address that hosts reach it by: --enrolment-name");
    return known;
  };
  // The lock is in the folder: what is not ours does not get one.
  if ((await readFit()) === undefined) await makeFolder(folder);
  return oneAtATime(
    folder,
    async () => {
      const known = await readFit();
      const { pki, notes } = known === undefined ? create(names, now) : renew(known, names, now, change);
      if (known !== undefined && (await closeToOthers(folder)))
        notes.push({
          kind: "warning",
          text:
            "others could read the folder or its keys: they cannot any more; if one may have, see README.md on " +
            "stolen keys",
        });
      if (notes.some(({ kind }) => kind === "done")) await writeFolder(folder, pki);
      return notes;
    },
    ending,
  );
}

type Outcome = { readonly pki: Pki; readonly notes: PkiNote[] };

function create(enrolmentNames: readonly string[], now: Date): Outcome {
  const ca = makeCa(now);
  const client = makeClient(ca, now);
  const enrolment = makeEnrolment([...new Set(enrolmentNames)], ca, now);
  return {
    pki: { ca, client, enrolment },
    notes: [
      done(`made a CA, ${untilOf(ca)}`),
      done(`made the control plane's certificate, ${untilOf(client)}`),
      done(`made the enrolment's certificate for ${namesOf(enrolment).join(", ")}, ${untilOf(enrolment)}`),
    ],
  };
}

function renew(known: Pki, enrolmentNames: readonly string[], now: Date, change: PkiChange | undefined): Outcome {
  const notes: PkiNote[] = [];
  let { ca, oldCa, client, enrolment } = known;
  if (change === "rotate-ca") {
    if (oldCa) throw new Error("a CA is being replaced already: end that first with --retire-old-ca");
    oldCa = ca;
    ca = makeCa(now);
    notes.push(
      done(
        `made a new CA, ${untilOf(ca)}: it signs for new hosts from now on; the old one is trusted until ` +
          "--retire-old-ca",
      ),
    );
  } else if (change === "retire-old-ca") {
    notes.push(
      oldCa ? done("retired the old CA: hosts that know no other are out of reach") : kept("no CA was being replaced"),
    );
    oldCa = undefined;
  }
  if (oldCa && endsWithin(oldCa, 0, now)) {
    notes.push(done(`the old CA is past its end (${day(oldCa.certificate.validToDate)}) and counts no more`));
    oldCa = undefined;
  }
  // While two CAs count, hosts ordered before know the old one only, and all others know both.
  const issuer = oldCa ?? ca;
  const clientReason = change === "rotate-client" ? "a new key was asked for" : staleness(client, issuer, now);
  if (clientReason !== undefined) client = makeClient(issuer, now);
  notes.push(
    clientReason === undefined
      ? kept(`the control plane's certificate, ${untilOf(client)}`)
      : done(`made a new control plane's certificate, ${untilOf(client)}: ${clientReason}`),
  );
  const names = [...new Set([...namesOf(enrolment), ...enrolmentNames])];
  const enrolmentReason =
    names.length > namesOf(enrolment).length ? "it got another name" : staleness(enrolment, issuer, now);
  if (enrolmentReason !== undefined) enrolment = makeEnrolment(names, issuer, now);
  const whose = `for ${names.join(", ")}, ${untilOf(enrolment)}`;
  notes.push(
    enrolmentReason === undefined
      ? kept(`the enrolment's certificate ${whose}`)
      : done(`made a new enrolment's certificate ${whose}: ${enrolmentReason}`),
  );
  if (oldCa)
    notes.push({
      kind: "warning",
      text: "two CAs count: once every host ordered before the new one is gone, run npm run pki -- --retire-old-ca",
    });
  else if (endsWithin(ca, LEAF_DAYS, now))
    notes.push({
      kind: "warning",
      text: `the CA is ${untilOf(ca)}, and no certificate outlasts it: replace it with npm run pki -- --rotate-ca`,
    });
  return { pki: { ca, oldCa, client, enrolment }, notes };
}

/** Why a certificate has to be replaced, or undefined. */
function staleness(pair: Pair, issuer: Pair, now: Date): string | undefined {
  if (!pair.certificate.verify(issuer.certificate.publicKey)) return "it was of the old CA";
  // One that ends with its CA would end no later when it is made again.
  const isCutShort = pair.certificate.validToDate >= issuer.certificate.validToDate;
  return endsWithin(pair, RENEW_DAYS, now) && !isCutShort ? "the one before was about to end" : undefined;
}

function endsWithin({ certificate }: Pair, days: number, now: Date): boolean {
  return certificate.validToDate.getTime() < now.getTime() + days * DAY;
}

function makeCa(now: Date): Pair {
  // Two CAs at once have to be told apart by people, too.
  return makePair(
    { commonName: `Get a Redis CA ${day(now)} ${randomBytes(4).toString("hex")}`, kind: "ca", names: [] },
    undefined,
    CA_DAYS,
    now,
  );
}

function makeClient(issuer: Pair, now: Date): Pair {
  return makePair({ commonName: "Get a Redis control plane", kind: "client", names: [] }, issuer, LEAF_DAYS, now);
}

function makeEnrolment(names: readonly string[], issuer: Pair, now: Date): Pair {
  return makePair({ commonName: "Get a Redis enrolment", kind: "server", names }, issuer, LEAF_DAYS, now);
}

function makePair(
  facts: Pick<CertificateFacts, "commonName" | "kind" | "names">,
  issuer: Pair | undefined,
  days: number,
  now: Date,
): Pair {
  const { publicKey, privateKey: key } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const end = now.getTime() + days * DAY;
  const notAfter = new Date(Math.min(end, issuer?.certificate.validToDate.getTime() ?? end));
  const pem = makeCertificate(
    { ...facts, publicKey, notBefore: new Date(now.getTime() - BACKDATE_MS), notAfter },
    issuer?.certificate,
    issuer?.key ?? key,
  );
  return { certificate: new X509Certificate(pem), key };
}

/** Names and addresses in a certificate of ours. */
function namesOf({ certificate }: Pair): string[] {
  return (certificate.subjectAltName ?? "")
    .split(", ")
    .map((name) => plainName(name.replace(/^(DNS|IP Address):/, "")));
}

/** A name or address in the one way we write it. Throws when it is none. */
function plainName(name: string): string {
  if (isIP(name) !== 0) return ipaddr.parse(name).toString();
  if (/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(name))
    return name.toLowerCase();
  throw new Error(`"${name}" is no host name or IP address`);
}

function untilOf({ certificate }: Pair): string {
  return `valid until ${day(certificate.validToDate)}`;
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function done(text: string): PkiNote {
  return { kind: "done", text };
}

function kept(text: string): PkiNote {
  return { kind: "kept", text };
}
