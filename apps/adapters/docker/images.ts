import { open, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { messageOf } from "../../lib/errors.ts";

/** No image of this name is available: the archive cannot be read, or engine or registry do not have it. */
export class ImageMissing extends Error {
  override readonly name = "ImageMissing";
}

/** Whether an engine has an image. Throws when the engine does not answer, or when the signal aborts. */
export async function hasImage(docker: Docker, reference: string, abortSignal: AbortSignal): Promise<boolean> {
  // dockerode's own inspect takes no signal, and would wait for an engine that hangs.
  return new Promise((resolve, reject) => {
    const statusCodes = { 200: true, 404: "no such image", 500: "server error" };
    docker.modem.dial(
      { path: `/images/${reference}/json`, method: "GET", abortSignal, statusCodes },
      (fault: (Error & { statusCode?: number }) | null) => {
        if (fault === null) resolve(true);
        else if (fault.statusCode === 404) resolve(false);
        else reject(fault);
      },
    );
  });
}

/**
 * Sends an engine the images of an archive, as `docker save` writes them.
 * @param archive the file's path, its content, or a stream of it
 * @returns the images that the engine names
 * @throws ImageMissing when the archive cannot be read or the engine does not accept it
 */
export async function loadImage(
  docker: Docker,
  archive: string | Buffer | Readable,
  abortSignal: AbortSignal,
): Promise<string[]> {
  const content =
    typeof archive === "string"
      ? (await openArchive(archive)).createReadStream()
      : archive instanceof Readable
        ? archive
        : Readable.from([archive]);
  try {
    const said = await finished(() => docker.loadImage(content, { abortSignal }), "cannot load the image's archive");
    return said.flatMap(({ stream }) => /^Loaded image(?: ID)?: (\S+)/.exec(stream ?? "")?.[1] ?? []);
  } finally {
    content.destroy();
  }
}

/**
 * Has an engine pull an image from its registry.
 * @throws ImageMissing when the registry does not provide it
 */
export async function pullImage(docker: Docker, reference: string, abortSignal: AbortSignal): Promise<void> {
  await finished(() => docker.pull(reference, { abortSignal }), `cannot pull the image ${reference}`);
}

async function openArchive(file: string): Promise<FileHandle> {
  try {
    return await open(file);
  } catch (cause) {
    throw new ImageMissing(`the image's archive cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** A line of what an engine tells of a transfer. */
type Progress = { readonly error?: string; readonly stream?: string };

/** Waits for the end of a transfer, whose faults come as lines of the answer, after its 200. */
async function finished(begin: () => Promise<NodeJS.ReadableStream>, what: string): Promise<Progress[]> {
  let progress = "";
  try {
    for await (const chunk of await begin()) progress += String(chunk);
  } catch (cause) {
    if (typeof (cause as { statusCode?: unknown }).statusCode !== "number") throw cause;
    throw new ImageMissing(`${what}: ${messageOf(cause)}`, { cause });
  }
  const lines = progress
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as Progress);
  const fault = lines.find(({ error }) => error !== undefined)?.error;
  if (fault !== undefined) throw new ImageMissing(`${what}: ${fault}`);
  return lines;
}
