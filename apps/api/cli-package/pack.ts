import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { pack as createTar } from "tar-stream";
import { OLDEST_NODE, packageFiles, PROGRAM, type PackageFile } from "./files.ts";

/** The command line as npm installs it. */
export type CliPackage = {
  readonly tarball: Buffer;
  /** Changes with any of its bytes. */
  readonly hash: string;
};

/** As in npm's own packages: the same files make the same bytes, whenever and wherever they are packed. */
const MTIME = new Date("1985-10-26T08:15:00Z");
/** Services have few names; a Host header can have many. */
const MOST_KEPT = 8;

/**
 * Packs the command line for those who call the service by an address, which the program in it then calls if its user
 * names no other. The program is built when it is first asked for, and kept.
 */
export function createCliPackages(): (origin: string) => Promise<CliPackage> {
  const kept = new Map<string, Promise<CliPackage>>();
  let files: Promise<readonly PackageFile[]> | undefined;
  const known = () => {
    files ??= packageFiles();
    // What failed is tried again by the next who asks.
    files.catch(() => (files = undefined));
    return files;
  };

  return (origin) => {
    const found = kept.get(origin);
    if (found) return found;
    const made = known().then((shared) => packCli(shared, origin));
    made.catch(() => kept.delete(origin));
    const [oldest] = kept.keys();
    if (kept.size >= MOST_KEPT && oldest !== undefined) kept.delete(oldest);
    kept.set(origin, made);
    return made;
  };
}

/** @param shared the files that are the same for every service */
export async function packCli(shared: readonly PackageFile[], origin: string): Promise<CliPackage> {
  const tar = createTar();
  for (const { path, content, isProgram } of [await manifest(shared, origin), ...shared])
    tar.entry({ name: `package/${path}`, mode: isProgram ? 0o755 : 0o644, mtime: MTIME, uid: 0, gid: 0 }, content);
  tar.finalize();
  const tarball = await promisify<Buffer, { level: number }, Buffer>(gzip)(await buffer(tar), { level: 9 });
  return { tarball, hash: hashOf([tarball]) };
}

/**
 * Its name changes with the program: npx goes on with what it has once fetched from an address, for as long as what
 * is there has the same name.
 */
async function manifest(shared: readonly PackageFile[], service: string): Promise<PackageFile> {
  const { name, version, license } = JSON.parse(
    await readFile(new URL("../../../package.json", import.meta.url), "utf8"),
  ) as Readonly<Record<"name" | "version" | "license", string>>;
  const hash = hashOf([Buffer.from(version), ...shared.map(({ content }) => content)]);
  const content = {
    name: `${name}-${hash.slice(0, 10)}`,
    version,
    description: "Holds instances of Get a Redis and operates the service, from the command line",
    license,
    type: "module",
    bin: { [name]: PROGRAM },
    engines: { node: `>=${OLDEST_NODE}` },
    getaredis: { service },
  };
  return { path: "package.json", content: Buffer.from(`${JSON.stringify(content, null, 2)}\n`) };
}

function hashOf(parts: readonly Buffer[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
