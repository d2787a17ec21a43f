import { PLAIN_HTTP_PORT, type Balanced } from "./service.ts";

/** Ports that a gateway listens on for services, in their order; with redirects, port 80 besides those of HTTP in TLS. */
export function listenPorts(
  services: readonly Pick<Balanced, "port" | "protocol">[],
  redirectsPlainHttp: boolean,
): readonly number[] {
  const ports = new Set(services.map(({ port }) => port));
  if (redirectsPlainHttp && services.some(({ protocol }) => protocol === "http")) ports.add(PLAIN_HTTP_PORT);
  return [...ports].sort((one, other) => one - other);
}
