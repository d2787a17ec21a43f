import type { Hosts } from "./contract.ts";
import type { NewHost } from "./host.ts";

/** What registering needs. */
export type RegisterHostPorts = {
  readonly store: { readonly hosts: Pick<Hosts, "register"> };
  readonly clock: () => Date;
};

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Registers a host, or updates a registered one. It gets instances once its heartbeat arrives.
 * @throws when its name is no host label (a-z, 0-9, -; 63 characters at most), or its ports leave 1 to 65535
 */
export async function registerHost(ports: RegisterHostPorts, host: NewHost): Promise<void> {
  if (!NAME.test(host.name))
    throw new Error(`"${host.name}" is no host name: use a-z, 0-9 and -, 63 characters at most`);
  if (host.basePort < 1 || host.basePort + host.capacity > 65_536)
    throw new Error(
      `ports ${host.basePort} to ${host.basePort + host.capacity - 1} of host ${host.name} are not within 1 to 65535`,
    );
  await ports.store.hosts.register(host, ports.clock());
}
