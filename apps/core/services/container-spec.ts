/** Labels on every container of ours; how reconcile and the host's own expiry find them. */
export const labels = {
  instance: "getaredis.instance",
  deployment: "getaredis.deployment",
  /** Unix seconds after which the host itself removes the container, control plane or not. */
  notAfter: "getaredis.not-after",
} as const;

/** What every instance gets. */
export type InstanceLimits = {
  readonly image: string;
  readonly memoryMb: number;
  readonly memoryLimitMb: number;
  readonly evictionPolicy: string;
  readonly maxClients: number;
  readonly cpus: number;
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

const MB = 1024 * 1024;
const REDIS_PORT = "6379/tcp";

/**
 * Rights of the person who holds the instance: all data types, Lua, pub/sub and streams, nothing that
 * administers the server or opens connections. Enforced alike by Redis 7.0 and Valkey 8.
 */
const OWNER_RIGHTS =
  "sanitize-payload ~* &* +@all -@admin -@dangerous -@scripting -dump -lolwut +info +keys +flushdb +flushall " +
  "+sort +sort_ro +role +client|list +eval +evalsha +eval_ro +evalsha_ro " +
  "+script|load +script|exists +script|flush +script|kill";

/**
 * Freed memory goes back at once. jemalloc would keep it for ten seconds, and that much reply buffers
 * beside full data was seen to end an instance. The second name is that of Redis builds with a
 * jemalloc of their own.
 */
const ALLOCATOR = "dirty_decay_ms:0";

/** Name of an instance's container. It is made from the id, so that creating and removing can be repeated. */
export function containerName(instanceId: string): string {
  return `redis-${instanceId}`;
}

/** Name of the bridge network of a deployment's instances, and of its Linux interface (15 characters at most). */
export function networkOf(deployment: string): { readonly name: string; readonly bridge: string } {
  return { name: `getaredis-${deployment}`, bridge: `gar-${deployment.slice(0, 8)}` };
}

/**
 * The container of an instance. The password appears only as its SHA-256 (hex), which Redis's ACL
 * takes; `notAfter` bounds the container's life beyond any extension of the lease.
 */
export function containerSpec(
  instance: {
    readonly id: string;
    readonly deployment: string;
    readonly bindAddress: string;
    readonly port: number;
    readonly passwordHash: Buffer;
    readonly notAfter: Date;
  },
  limits: InstanceLimits,
): ContainerSpec {
  return {
    name: containerName(instance.id),
    Image: limits.image,
    User: "999:999",
    Cmd: redisArguments(instance.passwordHash, limits),
    Env: [`MALLOC_CONF=${ALLOCATOR}`, `JE_MALLOC_CONF=${ALLOCATOR}`],
    // The probe asks from outside; the image's own health check would start one more process each time.
    Healthcheck: { Test: ["NONE"] },
    // There is nothing to save, and Redis does not handle SIGTERM while an endless script runs.
    StopSignal: "SIGKILL",
    Labels: {
      [labels.instance]: instance.id,
      [labels.deployment]: instance.deployment,
      [labels.notAfter]: String(Math.ceil(instance.notAfter.getTime() / 1000)),
    },
    ExposedPorts: { [REDIS_PORT]: {} },
    HostConfig: {
      NetworkMode: networkOf(instance.deployment).name,
      PortBindings: { [REDIS_PORT]: [{ HostIp: instance.bindAddress, HostPort: String(instance.port) }] },
      ReadonlyRootfs: true,
      Tmpfs: { "/data": "rw,noexec,nosuid,nodev,size=1m,mode=0700,uid=999,gid=999" },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Memory: limits.memoryLimitMb * MB,
      MemorySwap: limits.memoryLimitMb * MB,
      // When the host itself runs out of memory, the fullest instance is killed, not the engine or the heartbeat.
      OomScoreAdj: 500,
      NanoCpus: Math.round(limits.cpus * 1e9),
      // Redis and its background threads; it never needs to fork, for nothing is persisted.
      PidsLimit: 16,
      Ulimits: [{ Name: "nofile", Soft: limits.maxClients + 64, Hard: limits.maxClients + 64 }],
      RestartPolicy: { Name: "no" },
      LogConfig: { Type: "local", Config: { "max-size": "64k", "max-file": "1", compress: "false" } },
      // Private, and without /dev/shm, which could be written to.
      IpcMode: "none",
      // DNS would let data leave the container.
      Dns: ["127.0.0.1"],
    },
  };
}

/**
 * The server's arguments. `maxmemory` bounds the data. Of what the container has beyond it, clients get two
 * fifths together: past that the client that holds most is disconnected. What is left is for fragmentation and
 * for Lua, whose only bound is the container's.
 */
function redisArguments(passwordHash: Buffer, limits: InstanceLimits): string[] {
  const clientsMb = Math.floor((limits.memoryLimitMb - limits.memoryMb) * 0.4);
  // A client that writes the largest value and reads it back holds it twice, in memory that the allocator
  // rounds up by as much as a quarter.
  const valueMb = Math.floor(clientsMb / 3);
  const bufferMb = Math.ceil(valueMb * 1.25) + 1;
  const options: [name: string, ...values: string[]][] = [
    ["port", "6379"],
    ["bind", "0.0.0.0"],
    ["dir", "/data"],
    ["save", ""],
    ["appendonly", "no"],
    ["maxmemory", `${limits.memoryMb}mb`],
    ["maxmemory-policy", limits.evictionPolicy],
    ["maxmemory-clients", `${clientsMb}mb`],
    ["maxclients", String(limits.maxClients)],
    ["proto-max-bulk-len", `${valueMb}mb`],
    ["client-query-buffer-limit", `${bufferMb}mb`],
    // A slow connection may take long to read a reply; a client that does not read published messages is
    // disconnected.
    [
      "client-output-buffer-limit",
      "normal",
      `${bufferMb}mb`,
      "0",
      "0",
      "pubsub",
      `${bufferMb}mb`,
      `${Math.ceil(valueMb / 2)}mb`,
      "60",
    ],
    // Tables that grow with what clients do, and that maxmemory does not count.
    ["tracking-table-max-keys", "10000"],
    ["acllog-max-len", "0"],
    // Without this, a histogram for each command used: a megabyte, only to answer INFO latencystats.
    ["latency-tracking", "no"],
    ["tcp-keepalive", "60"],
    ["enable-debug-command", "no"],
    ["enable-module-command", "no"],
    ["enable-protected-configs", "no"],
    ["user", "default", "on", `#${passwordHash.toString("hex")}`, ...OWNER_RIGHTS.split(" ")],
  ];
  return options.flatMap(([name, ...values]) => [`--${name}`, ...values]);
}
