import { text } from "node:stream/consumers";
import type Docker from "dockerode";
import pLimit, { type LimitFunction } from "p-limit";
import pMap from "p-map";
import pTimeout from "p-timeout";
import type { ContainerFacts } from "../../core/fleet/contract.ts";
import { containerName, labels, networkOf, type ContainerSpec } from "../../core/services/container.ts";
import { EngineFault, type EngineFaultReason } from "../../core/fleet/engine-fault.ts";
import type { EngineHost } from "../../core/fleet/host.ts";
import type { Restart } from "../../core/instances/instance.ts";
import { engineAgent } from "./agent.ts";
import type { ClientTls } from "../../lib/tls.ts";
import { DockerClient } from "./library.ts";
import { hasImage, ImageMissing, loadImage, pullImage } from "./images.ts";
import { ensureNetwork, type Network } from "./networks.ts";
import { removeUntilGone } from "./removal.ts";
import { statusOf } from "./status.ts";
import { messageOf } from "../../lib/errors.ts";
import { hostIn } from "../../lib/url-host.ts";

/** All Docker Engines of the fleet. */
export type DockerEngines = ReturnType<typeof createDockerEngines>;

const INSPECTED_AT_ONCE = 8;

/** An engine notes the end of a container in the list of its events and in the container's state at about one time. */
const EXIT_MS = 2_000;

/** A process that the kernel has killed, as it does when the memory of its control group is full. */
const KILLED = "137";

/**
 * An engine starts about the same number of containers a second whatever the parallelism. More at once only
 * makes each of them late, until time-outs undo work that was nearly done.
 */
const STARTS_AT_ONCE = 4;

/**
 * Most hosts of which something is kept. That of the host used longest ago is dropped, and made again when the
 * host is used.
 */
const HOSTS_KEPT = 4096;

/** The form of our instances' ids. */
const INSTANCE_ID = /^[0-9a-z]{16}$/;

/** dockerode's types have no ping with options. */
type Pingable = { readonly ping: (options: { abortSignal: AbortSignal }) => Promise<unknown> };

/** What is kept of a host between calls. */
/** What is read of the engine's statistics of a container; a stopped one has none of networks. */
type NetworkStats = { readonly networks: Readonly<Record<string, { readonly tx_bytes: number }>> };

const READINGS_AT_ONCE = 4;

type Engine = {
  readonly url: string;
  readonly tls: ClientTls | undefined;
  readonly docker: Docker;
  readonly gate: LimitFunction;
  /** Set while and after the network is ensured. */
  network?: Promise<void> | undefined;
  /** Images on their way to the engine, by reference. */
  readonly images: Map<string, Promise<void>>;
};

/**
 * Engines reached by their hosts' URLs. Every call takes `timeoutMs` at most, or `withinMs` when that is less, and
 * throws {@link EngineFault} when it fails.
 * @param tls gives our certificate for engines at https:// URLs; asked at every call, so that a new one counts
 *   at once. Their own certificates must be of the CA that comes with it, and name the host.
 */
export function createDockerEngines(timeoutMs: number, tls?: () => ClientTls) {
  const engines = new Map<string, Engine>();

  /** Resolves when the engine answers and accepts our certificate. */
  async function ping(host: EngineHost, withinMs?: number): Promise<void> {
    await call(
      host,
      ({ docker }, abortSignal) => (docker as unknown as Pingable).ping({ abortSignal }),
      shorter(withinMs),
    );
  }

  /**
   * Makes sure that the engine has an image: sends it the archive (as `docker save` writes it) when there is
   * one, else has it pull. Calls for the same image that come meanwhile wait for the first.
   * @param transferMs for the whole; that the engine has it already is an answer of an ordinary call's time, so
   *   that a host that has just vanished holds nobody up
   */
  async function ensureImage(
    host: EngineHost,
    reference: string,
    archiveFile: string | undefined,
    transferMs: number,
  ): Promise<void> {
    await call(
      host,
      async (engine, abortSignal) => {
        const isThere = () => {
          const soon = AbortSignal.any([abortSignal, AbortSignal.timeout(timeoutMs)]);
          return orAborted(hasImage(engine.docker, reference, soon), soon);
        };
        const known =
          engine.images.get(reference) ??
          orAborted(provideImage(engine.docker, reference, archiveFile, isThere, abortSignal), abortSignal).finally(
            () => engine.images.delete(reference),
          );
        engine.images.set(reference, known);
        await known;
      },
      transferMs,
    );
  }

  /**
   * Creates and starts a container, behind those that the engine is starting already.
   * @throws `signal.reason` when the signal aborts before its turn has come: nothing was done then.
   *   EngineFault when it failed: whether the container exists or runs is unknown then.
   */
  async function startContainer(host: EngineHost, spec: ContainerSpec, signal: AbortSignal): Promise<void> {
    await engineOf(host).gate(() => {
      signal.throwIfAborted();
      return startNow(host, spec);
    });
  }

  async function startNow(host: EngineHost, spec: ContainerSpec): Promise<void> {
    await call(host, async (engine, abortSignal) => {
      const { docker } = engine;
      const { name, ...body } = spec;
      let container: Docker.Container | undefined;
      for (let isRetry = false; ; isRetry = true) {
        await networkOnce(engine, host.deployment, abortSignal);
        try {
          container ??= await docker.createContainer({
            ...body,
            name,
            abortSignal,
          } as unknown as Docker.ContainerCreateOptions);
          await container.start({ abortSignal });
          return;
        } catch (fault) {
          // Something else has removed the network, as `docker system prune` does with unused ones.
          if (isRetry || !/network .*not found/i.test(messageOf(fault))) throw fault;
          engine.network = undefined;
        }
      }
    });
  }

  /**
   * Removes an instance's container, running or not, and resolves when it is gone. A container that was gone
   * already is a success.
   */
  async function removeContainer(host: EngineHost, instanceId: string, withinMs?: number): Promise<void> {
    const remove = ({ docker }: Engine, abortSignal: AbortSignal) =>
      removeUntilGone(docker.getContainer(containerName(instanceId)), abortSignal);
    await call(host, remove, shorter(withinMs));
  }

  /**
   * All containers of this deployment on the host, stopped ones included; containers without an instance's
   * label are not ours.
   */
  async function listContainers(host: EngineHost, withinMs?: number): Promise<ContainerFacts[]> {
    const list = async ({ docker }: Engine, abortSignal: AbortSignal) => {
      const containers = await docker.listContainers({
        all: true,
        filters: { label: [`${labels.deployment}=${host.deployment}`] },
        abortSignal,
      });
      // An answer without a body counts as good for dockerode, and would read as a host that has lost everything.
      if (!Array.isArray(containers)) throw new Error("the engine's answer is no list of containers");
      return containers
        .map((container) => ({
          instanceId: container.Labels[labels.instance] ?? "",
          // "restarting": its server has ended by itself, and the engine starts it again in a moment.
          running: container.State === "running" || container.State === "restarting",
        }))
        .filter(({ instanceId }) => INSTANCE_ID.test(instanceId));
    };
    return call(host, list, shorter(withinMs));
  }

  /** Bytes that instances have sent by all their networks; those without a running container are left out. */
  async function readSent(
    host: EngineHost,
    instanceIds: readonly string[],
    withinMs?: number,
  ): Promise<{ readonly instanceId: string; readonly sentBytes: number }[]> {
    const read = async ({ docker }: Engine, abortSignal: AbortSignal) => {
      const readings = await pMap(
        instanceIds,
        async (instanceId) => {
          try {
            // One reading, without the second that the engine waits to tell the processor's share.
            const options = { stream: false, "one-shot": true, abortSignal } as const;
            const stats: unknown = await docker.getContainer(containerName(instanceId)).stats(options);
            const networks = Object.values((stats as Partial<NetworkStats> | null)?.networks ?? {});
            if (networks.length === 0) return [];
            return [{ instanceId, sentBytes: networks.reduce((sum, { tx_bytes }) => sum + tx_bytes, 0) }];
          } catch (fault) {
            if (statusOf(fault) === 404) return [];
            throw fault;
          }
        },
        { concurrency: READINGS_AT_ONCE },
      );
      return readings.flat();
    };
    return call(host, read, shorter(withinMs));
  }

  /**
   * Of these instances, those whose servers have ended by themselves and run again, each with its last restart. The
   * engine remembers for each container when it ended last, and only for its latest events how.
   */
  async function listRestarts(
    host: EngineHost,
    instanceIds: readonly string[],
    withinMs?: number,
  ): Promise<(Restart & { readonly instanceId: string })[]> {
    const list = async ({ docker }: Engine, abortSignal: AbortSignal) => {
      const found = await pMap(instanceIds, (id) => inspect(docker, id, abortSignal), {
        concurrency: INSPECTED_AT_ONCE,
      });
      const restarted = found.flatMap((facts, index) => {
        const [at, startedAt] = [momentOf(facts?.State.FinishedAt), momentOf(facts?.State.StartedAt)];
        const instanceId = instanceIds[index];
        const isBack = facts?.State.Running === true && at && startedAt && startedAt >= at;
        return isBack && instanceId !== undefined ? [{ instanceId, at, startedAt, facts }] : [];
      });
      if (restarted.length === 0) return [];
      const exits = await listExits(docker, restarted, abortSignal);
      return restarted.map(({ instanceId, at, startedAt, facts }) => {
        const exit = exits.findLast(
          ({ id, atMs }) => id === facts.Id && atMs >= at.getTime() - EXIT_MS && atMs <= startedAt.getTime(),
        );
        return { instanceId, at, cause: causeOf(exit, facts) };
      });
    };
    return call(host, list, shorter(withinMs));
  }

  /** How the server of an instance ended, in words; undefined when it has not, or there is no such container. */
  async function readExit(host: EngineHost, instanceId: string, withinMs?: number): Promise<string | undefined> {
    const read = async ({ docker }: Engine, abortSignal: AbortSignal) => {
      const facts = await inspect(docker, instanceId, abortSignal);
      if (!facts || (facts.State.Running && !facts.State.Restarting && facts.RestartCount === 0)) return undefined;
      const { Error: error, ExitCode: code, OOMKilled: isOutOfMemory } = facts.State;
      return `it ended ${isOutOfMemory ? "out of memory, " : ""}with exit code ${code}${error ? `: ${error}` : ""}`;
    };
    return call(host, read, shorter(withinMs));
  }

  /** Ensures the network once for all hand-outs that come at the same time. */
  async function networkOnce(engine: Engine, deployment: string, abortSignal: AbortSignal): Promise<void> {
    engine.network ??= orAborted(ensureNetwork(engine.docker, instancesNetwork(deployment), abortSignal), abortSignal);
    try {
      await engine.network;
    } catch (fault) {
      engine.network = undefined;
      throw fault;
    }
  }

  /** The bridge of all instances: no traffic between them, and no masquerading outwards. */
  function shorter(withinMs = timeoutMs): number {
    return Math.min(withinMs, timeoutMs);
  }

  async function call<T>(
    host: EngineHost,
    work: (engine: Engine, abortSignal: AbortSignal) => Promise<T>,
    withinMs = timeoutMs,
  ): Promise<T> {
    const abortSignal = AbortSignal.timeout(withinMs);
    try {
      return await orAborted(work(engineOf(host), abortSignal), abortSignal);
    } catch (fault) {
      throw new EngineFault(abortSignal.aborted ? "timeout" : reasonOf(fault), host.name, fault);
    }
  }

  /** What is kept of the host; it is made again when its URL or our certificate has changed. */
  function engineOf(host: EngineHost): Engine {
    const ours = host.engineUrl.startsWith("https:") ? certificate() : undefined;
    const known = engines.get(host.name);
    const isFresh = known !== undefined && known.url === host.engineUrl && known.tls === ours;
    const engine = isFresh
      ? known
      : {
          url: host.engineUrl,
          tls: ours,
          docker: new DockerClient(connectionTo(host, ours)),
          gate: known?.gate ?? pLimit(STARTS_AT_ONCE),
          images: new Map<string, Promise<void>>(),
        };
    // Used last, dropped last.
    engines.delete(host.name);
    engines.set(host.name, engine);
    if (engines.size > HOSTS_KEPT) engines.delete(engines.keys().next().value ?? "");
    return engine;
  }

  function certificate(): ClientTls {
    if (tls === undefined)
      throw new CertificateMissing("engines at https:// accept no client without a certificate, and none is set up");
    try {
      return tls();
    } catch (cause) {
      throw new CertificateMissing(`our certificate cannot be read: ${messageOf(cause)}`, { cause });
    }
  }

  /** A call of another kind, with the same bounds and faults: see containers.ts. */
  function ask<T>(host: EngineHost, work: (docker: Docker, signal: AbortSignal) => Promise<T>, withinMs?: number) {
    return call(host, ({ docker }, signal) => work(docker, signal), withinMs);
  }

  return { ping, ensureImage, startContainer, removeContainer, listContainers, readSent, listRestarts, readExit, ask };
}

/**
 * The result of `work`; throws `signal.reason` when the signal aborts first. Giving the signal to dockerode is
 * not enough: when an answer breaks off in its middle, dockerode never settles.
 */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return pTimeout(work, { milliseconds: Number.POSITIVE_INFINITY, signal });
}

class CertificateMissing extends Error {
  override readonly name = "CertificateMissing";
}

async function provideImage(
  docker: Docker,
  reference: string,
  archiveFile: string | undefined,
  isThere: () => Promise<boolean>,
  abortSignal: AbortSignal,
): Promise<void> {
  if (await isThere()) return;
  if (archiveFile === undefined) await pullImage(docker, reference, abortSignal);
  else await loadImage(docker, archiveFile, abortSignal);
  if (!(await isThere())) throw new ImageMissing(`${archiveFile ?? "the registry's image"} does not hold ${reference}`);
}

function connectionTo(host: EngineHost, tls: ClientTls | undefined): Docker.DockerOptions {
  const url = new URL(host.engineUrl);
  const agent = engineAgent(host.name, tls);
  if (url.protocol === "unix:") return { socketPath: decodeURIComponent(url.pathname), agent } as Docker.DockerOptions;
  const [protocol, port] = tls === undefined ? ["http", 2375] : ["https", 2376];
  return { protocol, host: hostIn(host.engineUrl), port: url.port || port, agent } as Docker.DockerOptions;
}

/** The bridge of all instances of a deployment: they reach neither each other nor anything else. */
function instancesNetwork(deployment: string): Network {
  return {
    ...networkOf(deployment),
    deployment,
    options: {
      "com.docker.network.bridge.enable_icc": "false",
      "com.docker.network.bridge.enable_ip_masquerade": "false",
    },
  };
}

function reasonOf(fault: unknown): EngineFaultReason {
  // The fault of another call, whose work this one waited for.
  if (fault instanceof Error && /^(Abort|Timeout)Error$/.test(fault.name)) return "timeout";
  if (fault instanceof ImageMissing) return "image-missing";
  const status = statusOf(fault);
  if (status === undefined) return isAboutCertificates(fault) ? "certificate" : "unreachable";
  if (/port is already allocated|address already in use/i.test(messageOf(fault))) return "port-taken";
  if (status === 404 && /no such image/i.test(messageOf(fault))) return "image-missing";
  return "refused";
}

/**
 * Whether a connection failed because of certificates, the engine's or ours: codes of Node's TLS and of
 * OpenSSL's verification.
 */
function isAboutCertificates(fault: unknown): boolean {
  const code = typeof fault === "object" && fault !== null && "code" in fault ? String(fault.code) : "";
  return (
    fault instanceof CertificateMissing ||
    /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_|PATH_LENGTH|HOSTNAME_)/.test(code)
  );
}

/** What an engine knows of an instance's container; undefined when there is none. */
async function inspect(
  docker: Docker,
  instanceId: string,
  abortSignal: AbortSignal,
): Promise<Docker.ContainerInspectInfo | undefined> {
  try {
    return await docker.getContainer(containerName(instanceId)).inspect({ abortSignal });
  } catch (fault) {
    if (statusOf(fault) === 404) return undefined;
    throw fault;
  }
}

/** Ends of containers in the time of these restarts, as far as the engine remembers. */
async function listExits(
  docker: Docker,
  restarts: readonly { readonly at: Date; readonly startedAt: Date }[],
  abortSignal: AbortSignal,
): Promise<{ readonly id: string; readonly atMs: number; readonly code: string }[]> {
  const since = Math.min(...restarts.map(({ at }) => at.getTime())) - EXIT_MS;
  // Past by the engine's clock: the answer would not end before it.
  const until = Math.max(...restarts.map(({ startedAt }) => startedAt.getTime()));
  const options = {
    since: (since / 1000).toFixed(3),
    until: (until / 1000).toFixed(3),
    filters: { type: ["container"], event: ["die"], label: [labels.instance] },
    abortSignal,
  };
  const answer: NodeJS.ReadableStream = await docker.getEvents(options as unknown as Docker.GetEventsOptions);
  const lines = (await text(answer)).split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const { timeNano, Actor } = JSON.parse(line) as ExitEvent;
    return { id: Actor.ID, atMs: timeNano / 1e6, code: Actor.Attributes.exitCode };
  });
}

type ExitEvent = {
  readonly timeNano: number;
  readonly Actor: { readonly ID: string; readonly Attributes: { readonly exitCode: string } };
};

function causeOf(
  exit: { readonly code: string } | undefined,
  { State }: Docker.ContainerInspectInfo,
): Restart["cause"] {
  if (exit) return exit.code === KILLED ? "out-of-memory" : "crashed";
  return State.OOMKilled ? "out-of-memory" : "unknown";
}

/** A moment that an engine tells; undefined for its "never", and for what no clock shows. */
function momentOf(told: string | undefined): Date | undefined {
  const moment = new Date(told ?? "");
  const year = moment.getUTCFullYear();
  return year >= 2000 && year < 2100 ? moment : undefined;
}
