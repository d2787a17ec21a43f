import { createPrivateKey, randomBytes, type KeyObject, type X509Certificate } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { certificatesIn } from "../../apps/adapters/pki/pem.ts";
import { LOCK } from "./one-at-a-time.ts";

/** A certificate and its private key. */
export type Pair = { readonly certificate: X509Certificate; readonly key: KeyObject };

/** All that a folder holds. */
export type Pki = {
  /** Signs hosts' certificates. */
  readonly ca: Pair;
  /** The previous CA, while there are hosts that know no other. */
  readonly oldCa?: Pair | undefined;
  /** Opens the hosts' engines to the control plane. */
  readonly client: Pair;
  /** Shows booting hosts where to enrol. */
  readonly enrolment: Pair;
};

/**
 * Files lie in a folder of their generation, and are reached through one link that is set in one step:
 * a reader finds all of the old ones or all of the new ones, whenever we are killed.
 */
const CURRENT = "current";
const GENERATION = "generation-";
const OLD_CA_KEY = "old-ca-key.pem";
const files = ["ca.pem", "ca-key.pem", "client.pem", "client-key.pem", "enrolment.pem", "enrolment-key.pem"];

/**
 * Reads a folder; undefined when there is none yet, or nothing in it.
 * @throws when it is not one of ours, or not whole: nothing is changed then
 */
export async function readFolder(dir: string): Promise<Pki | undefined> {
  const names = await entriesOf(dir);
  const isOurs = async (name: string) =>
    name === LOCK ||
    name.startsWith(GENERATION) ||
    name.startsWith(CURRENT) ||
    (files.includes(name) && (await readlink(join(dir, name)).catch(() => "")) === `${CURRENT}/${name}`);
  for (const name of names) {
    if (!(await isOurs(name)))
      throw new Error(
        `${dir} holds ${name}, which npm run pki did not make: name an empty folder, or one that it made`,
      );
  }
  // A first run that was killed halfway left parts of a folder, which nobody has used.
  if (!names.includes(CURRENT)) return undefined;
  try {
    return await readGeneration(join(dir, CURRENT));
  } catch (cause) {
    throw new Error(
      `${dir} is broken, and was left as it is: ${(cause as Error).message}. Put it back from a backup, or name ` +
        "another folder",
      { cause },
    );
  }
}

/** Makes a folder that is ours alone. */
export async function makeFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
}

/** Makes `pki` what a folder holds, in one step; what it held before is removed. */
export async function writeFolder(dir: string, pki: Pki): Promise<void> {
  const generation = `${GENERATION}${randomBytes(4).toString("hex")}`;
  await mkdir(join(dir, generation), { mode: 0o700 });
  const { ca, oldCa, client, enrolment } = pki;
  const write = (name: string, text: string) =>
    writeFile(join(dir, generation, name), text, {
      mode: name.endsWith("-key.pem") ? 0o600 : 0o644,
      flag: "wx",
      flush: true,
    });
  await write("ca.pem", `${ca.certificate.toString()}${oldCa?.certificate.toString() ?? ""}`);
  await write("ca-key.pem", pemOf(ca.key));
  if (oldCa) await write(OLD_CA_KEY, pemOf(oldCa.key));
  for (const [name, { certificate, key }] of Object.entries({ client, enrolment })) {
    await write(`${name}.pem`, certificate.toString());
    await write(`${name}-key.pem`, pemOf(key));
  }
  for (const name of files) await symlink(`${CURRENT}/${name}`, join(dir, name)).catch(unlessThere);
  const link = `${CURRENT}.${randomBytes(4).toString("hex")}`;
  await symlink(generation, join(dir, link));
  await rename(join(dir, link), join(dir, CURRENT));
  for (const name of await readdir(dir)) {
    const isLeft = (name.startsWith(GENERATION) && name !== generation) || name.startsWith(`${CURRENT}.`);
    if (isLeft) await rm(join(dir, name), { recursive: true, force: true });
  }
}

/** Takes away what others may do with a folder and its keys. True when there was something to take. */
export async function closeToOthers(dir: string): Promise<boolean> {
  const current = join(dir, CURRENT);
  const keys = (await readdir(current)).filter((name) => name.endsWith("-key.pem")).map((name) => join(current, name));
  let wasOpen = false;
  for (const path of [dir, ...keys]) {
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) continue;
    await chmod(path, mode & 0o700);
    wasOpen = true;
  }
  return wasOpen;
}

async function entriesOf(dir: string): Promise<string[]> {
  try {
    const { uid } = await lstat(dir);
    if (uid !== process.getuid?.())
      throw new Error(`${dir} belongs to another user: run as that one, or name another folder`);
    return await readdir(dir);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    if (code === "ENOTDIR") throw new Error(`${dir} is no folder`, { cause });
    throw cause;
  }
}

async function readGeneration(dir: string): Promise<Pki> {
  const text = (name: string) =>
    readFile(join(dir, name), "utf8").catch((cause: unknown) =>
      Promise.reject(new Error(`${name} cannot be read`, { cause })),
    );
  const pair = async (name: string, keyName: string) => pairOf(await text(name), await text(keyName), keyName, name);
  const bundle = await text("ca.pem");
  const ca = await pair("ca.pem", "ca-key.pem");
  const oldCa = certificatesIn(bundle).length > 1 ? await pair("ca.pem", OLD_CA_KEY) : undefined;
  const [client, enrolment] = [
    await pair("client.pem", "client-key.pem"),
    await pair("enrolment.pem", "enrolment-key.pem"),
  ];
  for (const [name, { certificate }] of Object.entries({ client, enrolment })) {
    if (![ca, oldCa].some((each) => each && certificate.verify(each.certificate.publicKey)))
      throw new Error(`${name}.pem is of another CA`);
  }
  return { ca, oldCa, client, enrolment };
}

function pairOf(pem: string, keyPem: string, keyName: string, name: string): Pair {
  let key: KeyObject;
  let certificates: X509Certificate[];
  try {
    certificates = certificatesIn(pem);
  } catch (cause) {
    throw new Error(`${name} is no certificate`, { cause });
  }
  try {
    key = createPrivateKey(keyPem);
  } catch (cause) {
    throw new Error(`${keyName} is no private key`, { cause });
  }
  const certificate = certificates.find((each) => each.checkPrivateKey(key));
  if (!certificate) throw new Error(`${keyName} is the key of no certificate in ${name}`);
  return { certificate, key };
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }) as string;
}

function unlessThere(fault: NodeJS.ErrnoException): void {
  if (fault.code !== "EEXIST") throw fault;
}
