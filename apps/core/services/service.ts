import type { Edge, InstancePlace, ShownAddress } from "./address.ts";
import type { ContainerSpec, InstanceToStart } from "./container.ts";
import type { ServerVersion } from "./server-version.ts";

/** What is run for a lease. All that is special to one kind of server is behind this. */
export type Service = {
  /** User that the issued password is for. */
  readonly username: string;
  /** The holder's limits, as they are shown to everybody: megabytes of data, and connections at once. */
  readonly limits: { readonly memoryMb: number; readonly maxClients: number };
  readonly containerOf: (instance: InstanceToStart) => ContainerSpec;
  /** Whether holders' connections are encrypted on their way. */
  readonly isEncrypted: boolean;
  /** Where holders reach all instances; undefined where they connect to the hosts. */
  readonly edge: Edge | undefined;
  /** Where its holder reaches an instance. */
  readonly addressOf: (place: InstancePlace) => ShownAddress;
  /** The instance that is reached at this address, when the address alone tells; names are in small letters. */
  readonly idAt: (host: string, port: number) => string | undefined;
  /** Password of an instance, out of a secret of its own. */
  readonly passwordOf: (id: string, secret: string) => string;
  /** URL that command-line tools and client libraries connect to. IPv6 addresses are bracketed. */
  readonly urlOf: (address: ShownAddress, password: string) => string;
};

/**
 * Waits until the instance at this address answers to the password, and not without it, and returns what runs in it.
 * @throws the last fault when `signal` aborts first
 */
export type Probe = (host: string, port: number, password: string, signal: AbortSignal) => Promise<ServerVersion>;

/**
 * Logs in at this address with a password, once, and resolves when the answer is `PONG`.
 * @throws when nothing answers, when the password is refused, and when `signal` aborts first
 */
export type LoginCheck = (host: string, port: number, password: string, signal: AbortSignal) => Promise<void>;
