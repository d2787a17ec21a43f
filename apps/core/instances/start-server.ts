import type { Host } from "../fleet/host.ts";
import { serverRefusal, type ServerVersion } from "../services/server-version.ts";
import type { Probe, Service } from "../services/service.ts";
import { watchPassword } from "../services/watch-user.ts";
import { hashSecret } from "../../lib/secrets.ts";
import type { InstanceEngines } from "./contract.ts";

/** What starting a server needs. */
export type StartServerPorts = {
  readonly engines: Pick<InstanceEngines, "startContainer" | "readExit">;
  readonly probe: Probe;
  readonly rules: { readonly service: Service; readonly serverSecret: string };
};

/** An instance that has a slot, and no container yet. */
export type ServerToStart = {
  readonly id: string;
  /** Of its slot. */
  readonly port: number;
  readonly password: string;
  /** The host itself removes the container then. */
  readonly notAfter: Date;
};

/** How long it may take: until its turn to be started has come, and from then on until it answers. */
export type StartLimits = { readonly turn: AbortSignal; readonly answer: () => AbortSignal };

/** For the question how a server ended that does not answer: somebody may wait. */
const EXIT_TIMEOUT_MS = 2_000;

/**
 * Starts an instance's container on a host, waits for its `PONG`, and returns what runs in it.
 * @throws `turn.reason` when its turn did not come: nothing was done then. EngineFault when the engine failed. Error
 *   when it does not answer in time, with how it ended if it did, and when it may not be handed out
 */
export async function startServer(
  { engines, probe, rules }: StartServerPorts,
  host: Host,
  { id, port, password, notAfter }: ServerToStart,
  { turn, answer }: StartLimits,
): Promise<ServerVersion> {
  const container = rules.service.containerOf({
    id,
    deployment: host.deployment,
    bindAddress: host.bindAddress,
    port,
    passwordHash: hashSecret(password),
    watchHash: hashSecret(watchPassword(rules.serverSecret, id)),
    notAfter,
  });
  await engines.startContainer(host, container, turn);
  const server = await probe(host.checkHost, port, password, answer()).catch(async (cause: unknown) => {
    const exit = await engines.readExit(host, id, EXIT_TIMEOUT_MS).catch(() => undefined);
    throw exit === undefined ? cause : new Error(`the server of the instance does not run: ${exit}`, { cause });
  });
  const refusal = serverRefusal(server);
  if (refusal !== undefined) throw new Error(`the image is not handed out: ${refusal}. Set INSTANCE_IMAGE to another`);
  return server;
}
