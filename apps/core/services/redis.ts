import { inUrl } from "../../lib/url-host.ts";
import { edgePassword, idOfName, shownAddress, type Edge } from "./address.ts";
import { closedContainer, type InstanceToStart } from "./container.ts";
import type { Service } from "./service.ts";
import { WATCH_USERNAME } from "./watch-user.ts";

/**
 * What every Redis gets: its image, megabytes of data, of data with clients and fragmentation, and of scripts
 * besides, connections, places besides for those that have not logged in, cores, and restarts.
 */
export type RedisLimits = {
  readonly image: string;
  readonly memoryMb: number;
  readonly memoryLimitMb: number;
  readonly scriptMemoryMb: number;
  readonly evictionPolicy: string;
  readonly maxClients: number;
  readonly loginsPending: number;
  readonly cpus: number;
  readonly restarts: number;
};

/** User that the issued password is for: the one that clients log in as when they name none. */
export const REDIS_USERNAME = "default";

/** The image's user. */
const UID = 999;

/**
 * Rights of the person who holds the instance: all data types, Lua, pub/sub and streams, nothing that
 * administers the server or opens connections. Other connections are the holder's own, and may be killed; the service's
 * come back. RESTORE is left out: its payloads are read by code in which faults were found again and again that gave the
 * sender the server (CVE-2026-25243, CVE-2026-66373), sanitized or not. Enforced alike by Redis 7.0 and Valkey 8. What is
 * refused is listed in `refusedCommands`.
 */
const OWNER_RIGHTS =
  "sanitize-payload ~* &* +@all -@admin -@dangerous -@scripting -lolwut +info +keys +flushdb +flushall +swapdb " +
  "+sort +sort_ro +role +client|list +client|kill +client|unblock +fcall +fcall_ro +function -function|restore +eval +evalsha +eval_ro +evalsha_ro " +
  "+script|load +script|exists +script|flush +script|kill";

/** Rights of the service itself: to see how the instance is used. Nobody has those to change users. */
const WATCH_RIGHTS = "resetkeys resetchannels -@all +info +client|list";

/**
 * Freed memory goes back at once. jemalloc would keep it for ten seconds, and that much reply buffers
 * beside full data was seen to end an instance. The second name is that of Redis builds with a
 * jemalloc of their own.
 */
const ALLOCATOR = "dirty_decay_ms:0";

/**
 * Redis (7.0 to 7.2) or Valkey as what is run for a lease: without persistence, administration and ways out.
 * @param edge by which holders reach it; undefined when they connect to its host
 */
export function redisService(limits: RedisLimits, edge?: Edge): Service {
  return {
    username: REDIS_USERNAME,
    limits,
    containerOf: (instance) =>
      closedContainer(instance, {
        image: limits.image,
        command: redisArguments(instance, limits),
        env: [`MALLOC_CONF=${ALLOCATOR}`, `JE_MALLOC_CONF=${ALLOCATOR}`],
        port: "6379/tcp",
        uid: UID,
        writableFolder: "/data",
        // Redis and its background threads; it never needs to fork, for nothing is persisted.
        processes: 16,
        // Redis keeps 32 for itself.
        openFiles: limits.maxClients + limits.loginsPending + 64,
        memoryMb: limits.memoryLimitMb + limits.scriptMemoryMb,
        cpus: limits.cpus,
        restarts: limits.restarts,
      }),
    isEncrypted: edge !== undefined,
    edge,
    addressOf: (place) => shownAddress(edge, place),
    idAt: (host, port) => (edge?.port === port ? idOfName(edge, host) : undefined),
    passwordOf: (id, secret) => (edge === undefined ? secret : edgePassword(id, secret)),
    urlOf: ({ host, port, isTls }, password) =>
      `${isTls ? "rediss" : "redis"}://${REDIS_USERNAME}:${password}@${inUrl(host)}:${port}`,
  };
}

/**
 * The server's arguments. Passwords appear only as their SHA-256 (hex), which Redis's ACL takes. `maxmemory`
 * bounds the data. Of `memoryLimitMb` beyond it, clients get two fifths together: past that the client that holds
 * most is disconnected. What is left is for fragmentation. Lua knows no bound but the container's, which is wider by
 * `scriptMemoryMb`: a script that reads all data holds it three times.
 */
function redisArguments(
  { passwordHash, watchHash }: Pick<InstanceToStart, "passwordHash" | "watchHash">,
  limits: RedisLimits,
): string[] {
  const clientsMb = Math.floor((limits.memoryLimitMb - limits.memoryMb) * 0.4);
  // A client that writes the largest value and reads it back holds it twice, in memory that the allocator
  // rounds up by as much as a quarter.
  const valueMb = Math.floor(clientsMb / 3);
  const bufferMb = Math.ceil(valueMb * 1.25) + 1;
  const options: [name: string, ...values: string[]][] = [
    ["port", "6379"],
    ["bind", "0.0.0.0"],
    ["dir", "/data"],
    // A script may write lines to the log without end. By standard output, each would pass through the engine and
    // the container's shim, which no limit of the container bounds. A fault in these arguments comes before this
    // one counts, and ends the server with exit code 1.
    ["logfile", "/dev/null"],
    ["save", ""],
    ["appendonly", "no"],
    ["maxmemory", `${limits.memoryMb}mb`],
    ["maxmemory-policy", limits.evictionPolicy],
    ["maxmemory-clients", `${clientsMb}mb`],
    // Redis does not tell who has logged in: the host's firewall sees to it that those who have not take no more
    // than their places.
    ["maxclients", String(limits.maxClients + limits.loginsPending)],
    ["proto-max-bulk-len", `${valueMb}mb`],
    ["client-query-buffer-limit", `${bufferMb}mb`],
    // A slow connection may take long to read a reply, which may be as long as all clients may hold: maxmemory-clients
    // is looked at between two commands only, and one MGET could ask for a value any number of times. A client that
    // does not read published messages is disconnected.
    [
      "client-output-buffer-limit",
      "normal",
      `${clientsMb}mb`,
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
    ["user", REDIS_USERNAME, "on", `#${passwordHash.toString("hex")}`, ...OWNER_RIGHTS.split(" ")],
    ["user", WATCH_USERNAME, "on", `#${watchHash.toString("hex")}`, ...WATCH_RIGHTS.split(" ")],
  ];
  return options.flatMap(([name, ...values]) => [`--${name}`, ...values]);
}
