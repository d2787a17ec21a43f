import type { HaproxyFiles } from "./files.ts";

/**
 * A whole configuration of HAProxy. Its sockets are in its folder; its connections outlive a reload for `longestMs`.
 * @param parts frontends and backends, as text
 */
export function haproxyConfig(
  { connections, longestMs }: { readonly connections: number; readonly longestMs: number },
  defaults: string,
  parts: readonly string[],
  files: HaproxyFiles,
): string {
  return `# Written by a gateway, which replaces it: changes by hand are lost.
global
    maxconn ${connections}
    hard-stop-after ${longestMs}ms
    stats socket ${files.runtimeSocket} mode 600 level admin expose-fd listeners
    stats timeout 30s
    tune.ssl.default-dh-param 2048
    server-state-file ${files.memberStates}

defaults
${defaults}
${parts.join("\n")}`;
}
