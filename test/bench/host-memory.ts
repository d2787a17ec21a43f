import type { EngineHost } from "../bed/engine-host.ts";

/** Megabytes that an engine host spends, by what spends it. */
export type HostMemory = {
  /** Servers of the instances, and those that run bare. */
  readonly servers: number;
  readonly bare: number;
  readonly shims: number;
  readonly proxies: number;
  /** dockerd and containerd. */
  readonly engine: number;
  /** What the kernel has charged to the control groups of instances, and of those that run bare. */
  readonly kernel: number;
  readonly bareKernel: number;
};

const KB_IN_MB = 1024;
/** Control group of servers that run bare. */
const BARE = "bare";

/**
 * Memory of a host's processes: what each has to itself, and its share of what it has in common with others (PSS). The
 * kernel's comes besides: page tables, stacks, sockets and the like.
 */
export async function readMemory(host: EngineHost): Promise<HostMemory> {
  const lines = (await host.exec("bash", "-c", READ)).trim().split("\n");
  const sum = (kind: string) =>
    lines
      .map((line) => line.split(" "))
      .filter(([each]) => each === kind)
      .reduce((total, [, kb]) => total + Number(kb), 0) / KB_IN_MB;
  return {
    servers: sum("server"),
    bare: sum("bare"),
    shims: sum("shim"),
    proxies: sum("proxy"),
    engine: sum("engine"),
    kernel: sum("kernel"),
    bareKernel: sum("bare-kernel"),
  };
}

/** Runs so many servers of the distribution's own package besides, as they come, and resolves when they are there. */
export async function startBare(host: EngineHost, count: number, present: number = 0): Promise<void> {
  await host.exec("bash", "-c", START_BARE, "bash", String(present), String(present + count));
}

/** Control groups of one version have a folder for each kind, of the other one for all. */
const GROUP = `
path=$(sed -n 's/^[0-9]*:memory://p' /proc/$(pgrep -xo dockerd)/cgroup)
root=/sys/fs/cgroup/memory; [ -d $root ] || root=/sys/fs/cgroup
label=$(pgrep -ao dockerd | sed -n 's/.*--cgroup-parent=\\([^ ]*\\).*/\\1/p')
group=$root$label
kernel() {
  if [ -e "$1/memory.kmem.usage_in_bytes" ]; then echo $(($(cat "$1/memory.kmem.usage_in_bytes") / 1024))
  else echo $(($(sed -n 's/^kernel //p' "$1/memory.stat") / 1024)); fi
}`;

const READ = `${GROUP}
for process in /proc/[0-9]*; do
  words=$(tr '\\0' ' ' <$process/cmdline 2>/dev/null) || continue
  case $words in
  *redis-server*:31*|*valkey-server*:31*) kind=bare ;;
  redis-server*|*/redis-server*|valkey-server*|*/valkey-server*) kind=server ;;
  *containerd-shim*) kind=shim ;;
  *docker-proxy*) kind=proxy ;;
  *dockerd*|containerd*|*/containerd*) kind=engine ;;
  *) continue ;;
  esac
  echo $kind $(sed -n 's/^Pss: *\\([0-9]*\\) kB/\\1/p' $process/smaps_rollup 2>/dev/null)
done
for each in $group/*/; do
  case $each in */${BARE}/) kind=bare-kernel ;; *) kind=kernel ;; esac
  echo $kind $(kernel $each)
done`;

const START_BARE = `${GROUP}
mkdir -p $group/${BARE}
echo $$ >$group/${BARE}/cgroup.procs
cd /tmp
for ((index = $1; index < $2; index++)); do
  redis-server --port $((31000 + index)) --save '' --daemonize yes >/dev/null
done
for ((index = $1; index < $2; index++)); do
  until redis-cli -p $((31000 + index)) ping >/dev/null 2>&1; do sleep 0.05; done
done`;

/** Megabytes that one instance of `count` costs, by what spends them, and what a bare server costs. */
export type Cost = {
  readonly all: number;
  readonly server: number;
  readonly shim: number;
  readonly proxy: number;
  readonly engine: number;
  readonly kernel: number;
  readonly bare: number;
};

/**
 * What an instance costs. The engine's growth since `before` is the instances', which `count` have come since; of the
 * rest they take each their share.
 */
export function costOf(before: HostMemory, now: HostMemory, count: number): Cost {
  const each = (kind: keyof HostMemory) => (now[kind] - before[kind]) / count;
  const parts = {
    server: each("servers"),
    shim: each("shims"),
    proxy: each("proxies"),
    engine: each("engine"),
    kernel: each("kernel"),
  };
  const all = Object.values(parts).reduce((sum, part) => sum + part, 0);
  return { all, ...parts, bare: each("bare") + each("bareKernel") };
}
