import type { ReadClientUsage } from "../core/operator/client-usage.ts";
import { hashSecret } from "../lib/secrets.ts";
import { publishedPort, type TwinEngine } from "./engines.ts";

/**
 * Tells how instances of these engines are used, as their containers say: at the address of their machine and their
 * published port, to a password whose hash they were started with.
 */
export function createTwinClientUsage(listEngines: () => Iterable<TwinEngine>): ReadClientUsage {
  return (host, port, password) => {
    const hash = `#${hashSecret(password).toString("hex")}`;
    const containers = [...listEngines()].flatMap((engine) =>
      engine.address === host ? [...engine.containers.values()] : [],
    );
    const container = containers.find(
      ({ spec, running }) => running && publishedPort(spec) === port && spec.Cmd.includes(hash),
    );
    return Promise.resolve(container?.clients);
  };
}
