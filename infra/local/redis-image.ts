import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import type { Pack } from "tar-stream";

const run = promisify(execFile);
const LOCAL_REPOSITORY = "getaredis/redis";
const SERVER_IN_IMAGE = "/usr/bin/redis-server";
const REDIS_UID = 999;

/**
 * Sees to it that an engine has the Redis image, and returns the reference to start containers
 * from. Images named `getaredis/redis:…` are made from this machine's redis-server package, no
 * registry asked; any other reference is pulled when it is missing. An image that is there is left as it is. Throws when redis-server is not installed
 * or the pull fails.
 */
export async function ensureRedisImage(docker: Docker, reference?: string): Promise<string> {
  const wanted = reference ?? (await localRedisImage());
  if (await hasImage(docker, wanted)) return wanted;
  if (isLocalImage(wanted)) await importLocalImage(docker, wanted);
  else await pull(docker, wanted);
  return wanted;
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

/** Whether we make this image ourselves; "" stands for the default, which we do. */
export function isLocalImage(reference: string): boolean {
  return reference === "" || reference.startsWith(`${LOCAL_REPOSITORY}:`);
}

/** Whether an engine has an image. Throws when the engine does not say. */
export async function hasImage(docker: Docker, reference: string): Promise<boolean> {
  try {
    await docker.getImage(reference).inspect();
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false;
    throw error;
  }
}

async function pull(docker: Docker, reference: string): Promise<void> {
  try {
    await finished(docker, await docker.pull(reference, {}));
  } catch (cause) {
    throw new Error(`cannot pull the image ${reference}: ${(cause as Error).message}`, { cause });
  }
}

async function importLocalImage(docker: Docker, reference: string): Promise<void> {
  const tag = reference.slice(reference.lastIndexOf(":") + 1);
  const changes = [
    `ENTRYPOINT ["${SERVER_IN_IMAGE}"]`,
    `USER ${REDIS_UID}:${REDIS_UID}`,
    "WORKDIR /data",
    "EXPOSE 6379",
    `LABEL getaredis.image=${tag}`,
  ];
  const tar = Readable.from(await redisFilesystem());
  await finished(docker, await docker.importImage(tar, { repo: LOCAL_REPOSITORY, tag, changes }));
}

/** The server, the libraries it loads, a user to run as and a place for data: nothing to run a shell with. */
async function redisFilesystem(): Promise<Pack> {
  const files = await redisFiles();
  const tar = pack();
  // The same files give the same image: no time, no owner of this machine goes in.
  const mtime = new Date(0);
  const folders = new Set(["/data", "/etc", "/tmp", ...files.flatMap(({ to }) => ancestorsOf(to))]);
  for (const folder of [...folders].sort()) {
    const [mode, owner] = folder === "/data" ? [0o750, REDIS_UID] : [folder === "/tmp" ? 0o1777 : 0o755, 0];
    tar.entry({ name: `${folder.slice(1)}/`, type: "directory", mode, uid: owner, gid: owner, mtime });
  }
  tar.entry({ name: "etc/passwd", mode: 0o644, mtime }, `root:x:0:0::/:/nologin\nredis:x:${REDIS_UID}:${REDIS_UID}::/data:/nologin\n`);
  tar.entry({ name: "etc/group", mode: 0o644, mtime }, `root:x:0:\nredis:x:${REDIS_UID}:\n`);
  for (const { from, to } of files) {
    tar.entry({ name: to.slice(1), mode: 0o755, mtime }, await readFile(from));
  }
  tar.finalize();
  return tar;
}

/** The server and the libraries it loads, and where they go in the image. */
async function redisFiles(): Promise<{ from: string; to: string }[]> {
  const { stdout: path } = await run("sh", ["-c", "command -v redis-server"]);
  const server = await realpath(path.trim());
  return [{ from: server, to: SERVER_IN_IMAGE }, ...(await librariesOf(server)).map((library) => ({ from: library, to: library }))];
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

async function finished(docker: Docker, progress: NodeJS.ReadableStream): Promise<void> {
  // Errors on the way come as lines of the answer, after its 200.
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(progress, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
