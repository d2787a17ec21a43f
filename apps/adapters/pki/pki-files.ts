import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ClientTls, ServerTls } from "../../lib/tls.ts";
import { certificatesIn } from "./pem.ts";
import { followFiles } from "./followed-files.ts";

/** The CA that signs for hosts now. */
export type Authority = { readonly certificate: X509Certificate; readonly key: KeyObject };

/** A change in the folder of `npm run pki` counts within this time. */
const LOOK_MS = 5_000;

/** The control plane's certificate as the folder of `npm run pki` has it, see {@link followFiles}. */
export function clientTlsIn(dir: string, clock: () => number): () => ClientTls {
  const ca = join(dir, "ca.pem");
  return follow([ca, ...pair(dir, "client")], () => ({ ca: readText(ca), ...readPair(dir, "client") }), clock);
}

/** The enrolment's certificate as the folder of `npm run pki` has it, see {@link followFiles}. */
export function enrolmentTlsIn(dir: string, clock: () => number): () => ServerTls {
  return follow(pair(dir, "enrolment"), () => readPair(dir, "enrolment"), clock);
}

/** The CA of the folder of `npm run pki`, see {@link followFiles}. */
export function authorityIn(dir: string, clock: () => number): () => Authority {
  const [ca, keyFile] = pair(dir, "ca");
  return follow(
    [ca, keyFile],
    () => {
      const key = createPrivateKey(readText(keyFile));
      const certificate = certificatesIn(readText(ca)).find((each) => each.checkPrivateKey(key));
      if (!certificate) throw new Error(`${keyFile} is the key of no certificate in ${ca}`);
      return { certificate, key };
    },
    clock,
  );
}

function follow<T>(files: readonly string[], read: () => T, clock: () => number): () => T {
  return followFiles(files, read, clock, LOOK_MS);
}

function readPair(dir: string, name: string): ServerTls {
  const [certFile, keyFile] = pair(dir, name);
  const [cert, key] = [readText(certFile), readText(keyFile)];
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error(`${keyFile} is not the key of ${certFile}`);
  return { cert, key };
}

function pair(dir: string, name: string): [certificate: string, key: string] {
  return [join(dir, `${name}.pem`), join(dir, `${name}-key.pem`)];
}

function readText(file: string): string {
  return readFileSync(file, "utf8");
}
