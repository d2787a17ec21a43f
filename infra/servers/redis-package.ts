import { serverRefusal } from "../../apps/core/services/server-version.ts";

/** Packages of Debian and Ubuntu that an image of instances can be made from, in the order of preference. */
const PACKAGES = [
  { name: "valkey-server", engine: "valkey" },
  { name: "redis-server", engine: "redis" },
] as const;

/** A package with a server for instances, and the version of the server in it. */
export type ServerPackage = { readonly name: (typeof PACKAGES)[number]["name"]; readonly version: string };

/** The packages that {@link chooseServerPackage} wants to know about, as arguments of `apt-cache policy`. */
export const SERVER_PACKAGES: readonly string[] = PACKAGES.map(({ name }) => name);

/**
 * The package to make the image of instances from: Valkey where this machine's package lists have it, else a
 * Redis that may be handed out.
 * @param policy what `apt-cache policy` says about {@link SERVER_PACKAGES}
 * @throws Error with the reason when there is none
 */
export function chooseServerPackage(policy: string): ServerPackage {
  const refusals: string[] = [];
  for (const { name, engine } of PACKAGES) {
    const version = candidateOf(policy, name);
    if (version === undefined) continue;
    const refusal = serverRefusal({ engine, version });
    if (refusal === undefined) return { name, version };
    refusals.push(refusal);
  }
  throw new Error(
    `This machine's package lists have no server to make instances of: ` +
      `${refusals.length > 0 ? refusals.join("; ") : "neither valkey-server nor redis-server"}. ` +
      "Make valkey-server available to apt, or set INSTANCE_IMAGE to an image with Valkey or Redis 7.0 to 7.2",
  );
}

/** Version of the software in the package that apt would install, without the distribution's own parts. */
function candidateOf(policy: string, name: string): string | undefined {
  const [, paragraph] = new RegExp(`^${name}:\\n((?: .*\\n?)*)`, "m").exec(policy) ?? [];
  const [, candidate] = /^ +Candidate: (?!\(none\))(\S+)$/m.exec(paragraph ?? "") ?? [];
  return candidate
    ?.replace(/^\d+:/, "")
    .replace(/-[^-]*$/, "")
    .replace(/[^0-9.].*$/, "");
}
