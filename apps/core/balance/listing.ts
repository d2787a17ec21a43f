import type { Balanced } from "./service.ts";

/** Services for people to read, a line each: what would be carried, where nothing is. */
export function renderListing(services: readonly Balanced[]): string {
  return services
    .map(({ name, protocol, port, names, policy, members }) => {
      const targets = members.map(({ address, weight, zone, isDraining }) =>
        [address.text, weight === 1 ? "" : `weight ${weight}`, zone ?? "", isDraining ? "draining" : ""]
          .filter(Boolean)
          .join(" "),
      );
      const at = names.length === 0 ? `port ${port}` : `port ${port} ${names.join(" ")}`;
      return `${name}: ${protocol} ${at} -> ${targets.length === 0 ? "nobody" : targets.join(", ")} (${policy})\n`;
    })
    .join("");
}
