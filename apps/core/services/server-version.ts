/** The server that runs in an instance, as it tells itself: Redis or Valkey, and its version, such as 7.0.15. */
export type ServerVersion = { readonly engine: "redis" | "valkey"; readonly version: string };

/** The server out of the answer to INFO with the section server; undefined when it tells no version. */
export function serverOfInfo(info: string): ServerVersion | undefined {
  const values = new Map([...info.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name = "", value = ""]) => [name, value]));
  // Valkey tells a version of Redis as well, for clients that look for one: that of the last Redis it equals.
  const valkey = values.get("valkey_version");
  if (valkey !== undefined) return serverOf("valkey", valkey);
  return serverOf(values.get("server_name") === "valkey" ? "valkey" : "redis", values.get("redis_version"));
}

/** The server out of what it answers to --version; undefined when it tells none. */
export function serverOfProgram(said: string): ServerVersion | undefined {
  const [, name, version] = /\b(Redis|Valkey) server v=(\S+)/i.exec(said) ?? [];
  return serverOf(name?.toLowerCase() === "valkey" ? "valkey" : "redis", version);
}

/**
 * Why a server may not be handed out to strangers; undefined when it may. Valkey and Redis up to 7.2 are under the
 * BSD licence. Redis 7.4 and later are under licences that forbid this use or tie it to conditions. Servers older
 * than 7.0 lack bounds that instances are started with.
 */
export function serverRefusal({ engine, version }: ServerVersion): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const number = major * 100 + minor;
  if (number < 700)
    return `${titleOf(engine)} ${version} is too old: it lacks settings that bound an instance, which came with 7.0`;
  if (engine === "redis" && number > 702)
    return (
      `Redis ${version} has a licence that restricts offering it as a service, ` +
      "which those of Valkey and of Redis up to 7.2 do not"
    );
  return undefined;
}

/** A server's name as people write it. */
export function titleOf(engine: ServerVersion["engine"]): string {
  return engine === "valkey" ? "Valkey" : "Redis";
}

/** The version comes from a host, which may be in foreign hands by now: only what looks like one is taken over. */
function serverOf(engine: ServerVersion["engine"], version: string | undefined): ServerVersion | undefined {
  return version !== undefined && /^\d{1,4}(\.\d{1,6}){1,3}([-~a-z0-9.]{0,16})$/i.test(version)
    ? { engine, version }
    : undefined;
}
