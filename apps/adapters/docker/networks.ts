import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { labels } from "../../core/services/container.ts";
import { messageOf } from "../../lib/errors.ts";

const POLL_MS = 50;

/** A bridge of a deployment, and how it differs from the engine's usual one. */
export type Network = {
  readonly name: string;
  /** Name of its interface on the host. */
  readonly bridge: string;
  readonly deployment: string;
  readonly options?: Readonly<Record<string, string>>;
};

/** Makes a network where it is missing. Several processes may do so at once. Throws when the signal aborts. */
export async function ensureNetwork(
  docker: Docker,
  { name, bridge, deployment, options }: Network,
  abortSignal: AbortSignal,
): Promise<void> {
  const isThere = async () =>
    (await docker.listNetworks({ filters: { name: [name] }, abortSignal })).some(({ Name }) => Name === name);
  if (await isThere()) return;
  try {
    await docker.createNetwork({
      Name: name,
      CheckDuplicate: true,
      Driver: "bridge",
      Options: { "com.docker.network.bridge.name": bridge, ...options },
      Labels: { [labels.deployment]: deployment },
      abortSignal,
    });
  } catch (fault) {
    // Another process was faster; its network is listed a moment later.
    if (!/already exists|same bridge name/i.test(messageOf(fault))) throw fault;
    while (!(await isThere())) await delay(POLL_MS, undefined, { signal: abortSignal });
  }
}
