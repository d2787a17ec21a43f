import type { ContainerSpec, InstanceToStart } from "./container.ts";

/** What is run for a lease. All that is special to one kind of server is behind this. */
export type Service = {
  /** User that the issued password is for. */
  readonly username: string;
  /** What its holder gets, as people are told: megabytes of data, and connections at once. */
  readonly limits: { readonly memoryMb: number; readonly maxClients: number };
  readonly containerOf: (instance: InstanceToStart) => ContainerSpec;
  /** URL that command-line tools and client libraries connect to. IPv6 addresses are bracketed. */
  readonly urlOf: (publicHost: string, port: number, password: string) => string;
};
