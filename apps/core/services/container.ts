/** Labels on every container of ours; how reconcile and the host's own expiry find them. */
export const labels = {
  instance: "getaredis.instance",
  deployment: "getaredis.deployment",
  /** Unix seconds after which the host itself removes the container, control plane or not. */
  notAfter: "getaredis.not-after",
} as const;

/** An instance on its way: who it is, where it is published, how its holder logs in, and until when it may live. */
export type InstanceToStart = {
  readonly id: string;
  readonly deployment: string;
  /** Address and port on its host. */
  readonly bindAddress: string;
  readonly port: number;
  /** SHA-256 of the holder's password, which is kept nowhere itself. */
  readonly passwordHash: Buffer;
  /** SHA-256 of the password by which the service itself sees how the instance is used. */
  readonly watchHash: Buffer;
  /** The host removes its container then, whatever becomes of the control plane. */
  readonly notAfter: Date;
};

/** A container in the Docker Engine API's own words (body of `POST /containers/create`), with its name. */
export type ContainerSpec = {
  readonly name: string;
  readonly Image: string;
  readonly User: string;
  readonly Cmd: readonly string[];
  readonly Env: readonly string[];
  readonly Healthcheck: { readonly Test: readonly string[] };
  readonly StopSignal: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly ExposedPorts: Readonly<Record<string, object>>;
  readonly HostConfig: Readonly<Record<string, unknown>>;
};

/** The program in a container: what is special to one kind of server. */
export type Program = {
  readonly image: string;
  readonly command: readonly string[];
  readonly env: readonly string[];
  /** Port that it listens on, in the Engine API's words. */
  readonly port: `${number}/tcp`;
  /** Numeric user and group that it runs as. */
  readonly uid: number;
  /** Folder that it may write to; it holds a megabyte, in memory, and goes with the container. */
  readonly writableFolder: string;
  /** Processes and threads, and open files, at most. */
  readonly processes: number;
  readonly openFiles: number;
  /** Megabytes of memory, and cores. */
  readonly memoryMb: number;
  readonly cpus: number;
  /** How often it is started again at most when it has ended by itself, as when its memory is full. */
  readonly restarts: number;
};

const MB = 1024 * 1024;

/** Name of an instance's container. It is made from the id, so that creating and removing can be repeated. */
export function containerName(instanceId: string): string {
  return `redis-${instanceId}`;
}

/** Name of the bridge network of a deployment's instances, and of its Linux interface (15 characters at most). */
export function networkOf(deployment: string): { readonly name: string; readonly bridge: string } {
  return { name: `getaredis-${deployment}`, bridge: `gar-${deployment.slice(0, 8)}` };
}

/**
 * The container of an instance, shut off from everything else: nothing but its port can be reached, nothing but one
 * small folder can be written to, and it takes no more of its host than it was given. `notAfter` bounds its life
 * beyond any extension of the lease.
 */
export function closedContainer(instance: InstanceToStart, program: Program): ContainerSpec {
  const { uid, port } = program;
  return {
    name: containerName(instance.id),
    Image: program.image,
    User: `${uid}:${uid}`,
    Cmd: program.command,
    Env: program.env,
    // The probe asks from outside; the image's own health check would start one more process each time.
    Healthcheck: { Test: ["NONE"] },
    // There is nothing to save, and a server in an endless script would not handle SIGTERM.
    StopSignal: "SIGKILL",
    Labels: {
      [labels.instance]: instance.id,
      [labels.deployment]: instance.deployment,
      [labels.notAfter]: String(Math.ceil(instance.notAfter.getTime() / 1000)),
    },
    ExposedPorts: { [port]: {} },
    HostConfig: {
      NetworkMode: networkOf(instance.deployment).name,
      PortBindings: { [port]: [{ HostIp: instance.bindAddress, HostPort: String(instance.port) }] },
      ReadonlyRootfs: true,
      Tmpfs: { [program.writableFolder]: `rw,noexec,nosuid,nodev,size=1m,mode=0700,uid=${uid},gid=${uid}` },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Memory: program.memoryMb * MB,
      MemorySwap: program.memoryMb * MB,
      // When the host itself runs out of memory, the fullest instance is killed, not the engine or the heartbeat.
      OomScoreAdj: 500,
      NanoCpus: Math.round(program.cpus * 1e9),
      PidsLimit: program.processes,
      Ulimits: [{ Name: "nofile", Soft: program.openFiles, Hard: program.openFiles }],
      // At once, at the same address and with the same arguments; the pause doubles while it ends within 10 s, up
      // to a minute. Whoever removes a container ends this, too.
      RestartPolicy:
        program.restarts === 0 ? { Name: "no" } : { Name: "on-failure", MaximumRetryCount: program.restarts },
      // What a container writes would cost processor time and disk beyond its limits.
      LogConfig: { Type: "none", Config: {} },
      // Private, and without /dev/shm, which could be written to.
      IpcMode: "none",
      // DNS would let data leave the container.
      Dns: ["127.0.0.1"],
    },
  };
}
