import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { extname, relative } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import { assetsFolder, libraries } from "../public-folder.ts";
import { BUILDER } from "../../lib/esbuild.ts";
import { isMinified, minify } from "./minify.ts";

/** The encodings in which assets are sent, the smallest first. */
export const encodings = ["br", "gzip", "identity"] as const;
export type Encoding = (typeof encodings)[number];

/** What pages load. */
export type Assets = {
  /**
   * The path below which they are: it changes with any of them. Browsers may so keep them for ever, and never mix
   * versions.
   */
  readonly path: string;
  /** Undefined where there is none of this name. */
  readonly find: (name: string) => Asset | undefined;
};

export type Asset = {
  /** As the Content-Type header tells it. */
  readonly type: string;
  /** Whether other encodings than `identity` make it smaller. */
  readonly isCompressible: boolean;
  /** Made when it is first asked for, and kept. */
  readonly read: (encoding: Encoding) => Promise<Buffer>;
};

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** The files of `public/assets` and of the libraries that pages use: scripts and styles minified. */
export async function createAssets(): Promise<Assets> {
  const files = await listFiles();
  let minified: Promise<ReadonlyMap<string, Buffer>> | undefined;

  /** At the first visit rather than at the start, which most processes of a test end without one. */
  const contentOf = async (name: string, path: string): Promise<Buffer> => {
    if (!isMinified(name)) return readFile(path);
    minified ??= minify(new Map([...files].filter(([each]) => isMinified(each))));
    // What failed is tried again by the next who asks.
    minified.catch(() => (minified = undefined));
    const content = (await minified).get(name);
    if (!content) throw new Error(`no minified ${name}`);
    return content;
  };

  const assets = new Map([...files].map(([name, path]) => [name, createAsset(name, () => contentOf(name, path))]));
  return { path: `/assets/${await hashOf(files)}/`, find: (name) => assets.get(name) };
}

function createAsset(name: string, content: () => Promise<Buffer>): Asset {
  const kept = new Map<Encoding, Promise<Buffer>>();
  const type = types[extname(name)];
  if (type === undefined) throw new Error(`no content type for ${name}`);

  return {
    type,
    isCompressible: type !== "image/png",
    read(encoding) {
      let made = kept.get(encoding);
      if (!made) {
        made = content().then(compressors[encoding]);
        kept.set(encoding, made);
        made.catch(() => kept.delete(encoding));
      }
      return made;
    },
  };
}

const compressors: Readonly<Record<Encoding, (content: Buffer) => Promise<Buffer> | Buffer>> = {
  br: promisify<Buffer, Buffer>(brotliCompress),
  gzip: promisify<Buffer, Buffer>(gzip),
  identity: (content) => content,
};

/** By the names under which pages ask for them, in order. */
async function listFiles(): Promise<ReadonlyMap<string, string>> {
  const own = (await readdir(assetsFolder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .map((path): [string, string] => [relative(assetsFolder, path), path]);
  const ofLibraries = libraries.flatMap(({ as, folder, files }) =>
    files.map((file): [string, string] => [`${as}/${file}`, `${folder}${file}`]),
  );
  return new Map([...own, ...ofLibraries].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Changes with any file, its name, and what makes them smaller. */
async function hashOf(files: ReadonlyMap<string, string>): Promise<string> {
  const hash = createHash("sha256").update(BUILDER);
  for (const [name, path] of files) hash.update(`\0${name}\0`).update(await readFile(path));
  return hash.digest("hex").slice(0, 10);
}
