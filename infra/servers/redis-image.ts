import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, realpath, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { hasImage, loadImage, pullImage } from "../../apps/adapters/docker/images.ts";

const run = promisify(execFile);
const LOCAL_REPOSITORY = "getaredis/redis";
const SERVER_IN_IMAGE = "/usr/bin/redis-server";
const REDIS_UID = 999;
/** A pull over a slow line. */
const TIMEOUT_MS = 600_000;
/** The same files give the same image: no time, no owner of this machine goes in. */
const NO_TIME = new Date(0);

/**
 * Gives an engine the Redis image if it has none, and returns the reference to start containers
 * from. Images named `getaredis/redis:…` are made from this machine's redis-server package, no
 * registry asked; any other reference is pulled when it is missing. An image that is there is left
 * as it is. Throws when redis-server is not installed or the pull fails.
 */
export async function ensureRedisImage(docker: Docker, reference?: string): Promise<string> {
  const wanted = reference ?? (await localRedisImage());
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  if (await hasImage(docker, wanted, signal)) return wanted;
  if (isLocalImage(wanted)) await loadImage(docker, await imageArchive(wanted), signal);
  else await pullImage(docker, wanted, signal);
  return wanted;
}

/**
 * Writes the image made from the installed redis-server to a file, whole or not at all, as `docker save`
 * would: the setting INSTANCE_IMAGE_ARCHIVE takes it. Returns the image's reference.
 */
export async function writeImageArchive(file: string): Promise<string> {
  const reference = await localRedisImage();
  await writeFile(`${file}.new`, await imageArchive(reference));
  await rename(`${file}.new`, file);
  return reference;
}

/**
 * The reference of the image made from the installed redis-server, e.g. `getaredis/redis:7.0.15-5f3a90c1`:
 * its version, and a hash of the server and its libraries, so that a security update gives a new image.
 */
export async function localRedisImage(): Promise<string> {
  const { stdout } = await run("redis-server", ["--version"]);
  const version = /\bv=(\S+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`redis-server --version says no version: ${stdout.trim()}`);
  const hash = createHash("sha256");
  for (const { from } of await redisFiles()) hash.update(await readFile(from));
  return `${LOCAL_REPOSITORY}:${version}-${hash.digest("hex").slice(0, 8)}`;
}

/** Whether we make this image ourselves; undefined stands for the default, which we do. */
export function isLocalImage(reference: string | undefined): boolean {
  return reference === undefined || reference.startsWith(`${LOCAL_REPOSITORY}:`);
}

/**
 * The archive that makes an image of this name: a layer, what to run of it, and a list of both. The same files give
 * the same bytes.
 */
async function imageArchive(reference: string): Promise<Buffer> {
  const layer = await redisFilesystem();
  const config = Buffer.from(JSON.stringify(imageConfig(reference, layer)));
  const [layerFile, configFile] = [`${sha256(layer)}/layer.tar`, `${sha256(config)}.json`];
  const manifest = JSON.stringify([{ Config: configFile, RepoTags: [reference], Layers: [layerFile] }]);
  const tar = pack();
  tar.entry({ name: dirname(layerFile), type: "directory", mode: 0o755, mtime: NO_TIME });
  for (const [name, content] of [
    [layerFile, layer],
    [configFile, config],
    ["manifest.json", manifest],
  ] as const)
    tar.entry({ name, mode: 0o644, mtime: NO_TIME }, content);
  tar.finalize();
  return buffer(tar);
}

/** What the image runs, as the OCI image specification writes it. */
function imageConfig(reference: string, layer: Buffer) {
  const created = NO_TIME.toISOString();
  return {
    created,
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: {
      User: `${REDIS_UID}:${REDIS_UID}`,
      ExposedPorts: { "6379/tcp": {} },
      Entrypoint: [SERVER_IN_IMAGE],
      WorkingDir: "/data",
      Labels: { "getaredis.image": reference.slice(reference.lastIndexOf(":") + 1) },
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created, created_by: "getaredis: redis-server and its libraries" }],
  };
}

/** The server, the libraries it loads, a user to run as and a place for data: nothing to run a shell with. */
async function redisFilesystem(): Promise<Buffer> {
  const files = await redisFiles();
  const tar = pack();
  const mtime = NO_TIME;
  const folders = new Set(["/data", "/etc", "/tmp", ...files.flatMap(({ to }) => ancestorsOf(to))]);
  for (const folder of [...folders].sort()) {
    const [mode, owner] = folder === "/data" ? [0o750, REDIS_UID] : [folder === "/tmp" ? 0o1777 : 0o755, 0];
    tar.entry({ name: `${folder.slice(1)}/`, type: "directory", mode, uid: owner, gid: owner, mtime });
  }
  tar.entry(
    { name: "etc/passwd", mode: 0o644, mtime },
    `root:x:0:0::/:/nologin\nredis:x:${REDIS_UID}:${REDIS_UID}::/data:/nologin\n`,
  );
  tar.entry({ name: "etc/group", mode: 0o644, mtime }, `root:x:0:\nredis:x:${REDIS_UID}:\n`);
  for (const { from, to } of files) {
    tar.entry({ name: to.slice(1), mode: 0o755, mtime }, await readFile(from));
  }
  tar.finalize();
  return buffer(tar);
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The server and the libraries it loads, and where they go in the image. */
async function redisFiles(): Promise<{ from: string; to: string }[]> {
  const { stdout: path } = await run("sh", ["-c", "command -v redis-server"]);
  const server = await realpath(path.trim());
  return [
    { from: server, to: SERVER_IN_IMAGE },
    ...(await librariesOf(server)).map((library) => ({ from: library, to: library })),
  ];
}

async function librariesOf(binary: string): Promise<string[]> {
  const { stdout } = await run("ldd", [binary]);
  // "libm.so.6 => /lib/…/libm.so.6 (0x…)" and, for the loader, "/lib64/ld-linux-x86-64.so.2 (0x…)".
  return stdout.split("\n").flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

function ancestorsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === "/" ? [] : [parent, ...ancestorsOf(parent)];
}
