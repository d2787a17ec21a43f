import type Docker from "dockerode";
import { DockerClient } from "../../apps/adapters/docker/library.ts";
import { hostIn } from "../../apps/lib/url-host.ts";

const DEFAULT_SOCKET = "/var/run/docker.sock";

/** A Docker client for a `unix://` or `tcp://` address. */
export function dockerClient(url: string, timeoutMs = 30_000): Docker {
  if (url.startsWith("unix://"))
    return new DockerClient({ socketPath: url.slice("unix://".length), timeout: timeoutMs });
  const { port } = new URL(url);
  return new DockerClient({ host: hostIn(url), port: Number(port === "" ? 2375 : port), timeout: timeoutMs });
}

/** Resolves when the engine answers within 3 s; rejects otherwise. */
export async function pingEngine(url: string): Promise<void> {
  await dockerClient(url, 3_000).ping();
}

/**
 * The engine that this machine already offers: DOCKER_HOST when set, else the default socket when
 * it answers; undefined when there is none. Throws when there is one that this user may not use,
 * because a second one beside it would fight over the same packet filter.
 */
export async function findEngine(configured: string | undefined): Promise<string | undefined> {
  if (configured !== undefined) return configured;
  const url = `unix://${DEFAULT_SOCKET}`;
  try {
    await pingEngine(url);
    return url;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EACCES") return undefined;
    throw new Error(
      `a Docker Engine runs here, and this user may not use it: run as root, or as a member of the group docker`,
      { cause },
    );
  }
}
