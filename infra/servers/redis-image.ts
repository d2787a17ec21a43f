import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, realpath, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { hasImage, loadImage, pullImage } from "../../apps/adapters/docker/images.ts";
import { serverOfProgram, serverRefusal, type ServerVersion } from "../../apps/core/services/server-version.ts";
import { chooseServerPackage, SERVER_PACKAGES } from "./redis-package.ts";
import { isCommand, type SystemCommand } from "./system-packages.ts";

const run = promisify(execFile);
/** Names of the images that we make ourselves, without their tags. */
const LOCAL_REPOSITORIES = { redis: "getaredis/redis", valkey: "getaredis/valkey" } as const;
const REDIS_UID = 999;
/** A pull over a slow line. */
const TIMEOUT_MS = 600_000;
/** The same files give the same image: no time, no owner of this machine goes in. */
const NO_TIME = new Date(0);

/** The installed server that images are made of. */
type LocalServer = ServerVersion & { readonly command: SystemCommand & ("valkey-server" | "redis-server") };

/**
 * The command of the server that images are to be made of: that of the package which apt has and whose licence
 * allows it. Where apt has none, a server that was installed in another way will do.
 * @throws Error with the reason when there is none
 */
export async function chooseImageServer(): Promise<LocalServer["command"]> {
  try {
    return await chooseByApt();
  } catch (refusal) {
    const server = await localServer().catch(() => undefined);
    if (server === undefined) throw refusal;
    return server.command;
  }
}

async function chooseByApt() {
  const { stdout } = await run("apt-cache", ["policy", ...SERVER_PACKAGES], { env: { ...process.env, LC_ALL: "C" } });
  return chooseServerPackage(stdout).name;
}

/**
 * Gives an engine the image of instances if it has none, and returns the reference to start containers
 * from. Images named `getaredis/redis:…` or `getaredis/valkey:…` are made from the server that is installed on
 * this machine, no registry asked; any other reference is pulled when it is missing. An image that is there is left
 * as it is. Throws when no such server is installed, its licence forbids it, or the pull fails.
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
 * Writes the image made from the installed server to a file, whole or not at all, as `docker save`
 * would: the setting INSTANCE_IMAGE_ARCHIVE takes it. Returns the image's reference.
 */
export async function writeImageArchive(file: string): Promise<string> {
  const reference = await localRedisImage();
  await writeFile(`${file}.new`, await imageArchive(reference));
  await rename(`${file}.new`, file);
  return reference;
}

/**
 * The reference of the image made from the installed server, e.g. `getaredis/redis:7.0.15-5f3a90c1`: its version,
 * and a hash of the server and its libraries, so that a security update gives a new image.
 * @throws Error with the reason when the server may not be handed out
 */
export async function localRedisImage(): Promise<string> {
  const server = await localServer();
  const hash = createHash("sha256");
  for (const { from } of await serverFiles(server)) hash.update(await readFile(from));
  return `${LOCAL_REPOSITORIES[server.engine]}:${server.version}-${hash.digest("hex").slice(0, 8)}`;
}

/** Whether we make this image ourselves; undefined stands for the default, which we do. */
export function isLocalImage(reference: string | undefined): boolean {
  return (
    reference === undefined ||
    Object.values(LOCAL_REPOSITORIES).some((repository) => reference.startsWith(`${repository}:`))
  );
}

/** The installed server: Valkey before Redis. */
async function localServer(): Promise<LocalServer> {
  const command = (await isCommand("valkey-server")) ? "valkey-server" : "redis-server";
  const { stdout } = await run(command, ["--version"]);
  const server = serverOfProgram(stdout);
  if (server === undefined) throw new Error(`${command} --version tells no version: ${stdout.trim()}`);
  const refusal = serverRefusal(server);
  if (refusal !== undefined)
    throw new Error(
      `${refusal}: install valkey-server, or set INSTANCE_IMAGE to an image with Valkey or Redis 7.0 to 7.2`,
    );
  return { ...server, command };
}

/**
 * The archive that makes an image of this name: a layer, what to run of it, and a list of both. The same files give
 * the same bytes.
 */
async function imageArchive(reference: string): Promise<Buffer> {
  const server = await localServer();
  const layer = await serverFilesystem(server);
  const config = Buffer.from(JSON.stringify(imageConfig(reference, layer, server)));
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
function imageConfig(reference: string, layer: Buffer, { command }: LocalServer) {
  const created = NO_TIME.toISOString();
  return {
    created,
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: {
      User: `${REDIS_UID}:${REDIS_UID}`,
      ExposedPorts: { "6379/tcp": {} },
      Entrypoint: [placeInImage(command)],
      WorkingDir: "/data",
      Labels: { "getaredis.image": reference.slice(reference.lastIndexOf(":") + 1) },
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created, created_by: `getaredis: ${command} and its libraries` }],
  };
}

/** The server, the libraries it loads, a user to run as and a place for data: nothing to run a shell with. */
async function serverFilesystem(server: LocalServer): Promise<Buffer> {
  const files = await serverFiles(server);
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
async function serverFiles({ command }: LocalServer): Promise<{ from: string; to: string }[]> {
  const { stdout: path } = await run("sh", ["-c", `command -v ${command}`]);
  const program = await realpath(path.trim());
  return [
    { from: program, to: placeInImage(command) },
    ...(await librariesOf(program)).map((library) => ({ from: library, to: library })),
  ];
}

function placeInImage(command: string): string {
  return `/usr/bin/${command}`;
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
