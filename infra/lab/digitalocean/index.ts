import type { AddressInfo } from "node:net";
import { apiRoutes, type ApiParts } from "./api-routes.ts";
import { createCallLog } from "./calls.ts";
import { domainRoutes } from "./domain-routes.ts";
import { createDomains } from "./domains.ts";
import { createDroplets, type LabDroplet, type Times } from "./droplets.ts";
import { createFaults } from "./faults.ts";
import { labRoutes } from "./lab-routes.ts";
import type { Machines } from "./machines.ts";
import { startNameServer } from "./name-server.ts";
import { readOrder } from "./orders.ts";
import { createRateLimits, type RateLimits } from "./rate-limits.ts";
import { buildServer } from "./server.ts";
import { defaultVpcs, type Vpc } from "./vpcs.ts";

/** How the stand-in is set up; what is left out has a usual value. */
export type LabSettings = {
  /** Token that requests must bring. */
  readonly token: string;
  readonly host?: string;
  /** 0 picks a free one. */
  readonly port?: number;
  /** What droplets are made of; without it addresses are invented, and nothing answers there. */
  readonly machines?: Machines;
  readonly account?: Partial<ApiParts["account"]>;
  /** Private networks; the default one of each region, when not given. */
  readonly vpcs?: readonly Vpc[];
  /** Names of domains that the account has. */
  readonly domains?: readonly string[];
  /** Ids and fingerprints of the account's SSH keys. */
  readonly sshKeys?: readonly (string | number)[];
  readonly limits?: Partial<RateLimits>;
  readonly times?: Partial<Times>;
  /** Called for machines that could not be built or taken away. */
  readonly onFault?: (fault: unknown) => void;
};

/** A droplet as a test may see it. */
export type DropletView = Omit<LabDroplet, "tags" | "region" | "size"> & {
  readonly tags: readonly string[];
  readonly region: string;
  readonly size: string;
};

/** A running stand-in for DigitalOcean's API v2. */
export type LabCloud = Awaited<ReturnType<typeof startDigitalOcean>>;

/**
 * Starts a stand-in for DigitalOcean's API v2: what it answers agrees with the published OpenAPI document,
 * what it does with what is known of the real one. Droplets become `active` after a while, tags come later
 * than droplets, deleted ones go a moment later, and `faults` makes things go wrong. The records of its domains are
 * answered by DNS, at `dns`.
 */
export async function startDigitalOcean(settings: LabSettings) {
  const {
    token,
    host = "127.0.0.1",
    port = 0,
    machines,
    domains: names = [],
    sshKeys = [],
    vpcs = defaultVpcs(),
    onFault = console.error,
  } = settings;
  const account = { dropletLimit: 25, status: "active", statusMessage: "", ...settings.account } as const;
  const faults = createFaults();
  const calls = createCallLog();
  const times = { activeMs: 100, tagLagMs: 100, deleteMs: 50, actionMs: 50, ...settings.times };
  const droplets = createDroplets({ times, faults, machines, dropletLimit: account.dropletLimit, onFault });
  const app = buildServer({
    token,
    limits: createRateLimits({ perHour: 5000, perMinute: 250, ...settings.limits }),
    faults,
    droplets,
    calls,
  });
  apiRoutes(app, { droplets, faults, vpcs, sshKeys, account });
  labRoutes(app, { droplets, faults, calls, machines });
  const domains = createDomains();
  for (const name of names) domains.create({ name });
  domainRoutes(app, domains);
  const dns = await startNameServer(domains, host);
  await app.listen({ host, port });
  const origin = `http://${host.includes(":") ? `[${host}]` : host}:${(app.server.address() as AddressInfo).port}`;

  return {
    /** Where the API is, with its version. */
    url: `${origin}/v2`,
    /** Where DNS is answered, by UDP and TCP. */
    dns: { host: dns.host, port: dns.port },
    faults,
    calls,
    /** All droplets as they are, also those that lists do not show yet. */
    droplets: (): DropletView[] =>
      droplets.all().map(({ tags, region, size, ...droplet }) => ({
        ...droplet,
        tags: [...tags],
        region: region.slug,
        size: size.slug,
      })),
    /** Every order that was accepted, whatever happened to it. */
    everMade: droplets.ordered,
    /** Adds a droplet that nobody ordered here; it is active, has no machine, and lists show it at once. */
    add,
    /** Removes a droplet without a call of the API. */
    remove: async (name: string): Promise<void> => {
      await Promise.all(
        droplets
          .all()
          .filter((droplet) => droplet.name === name)
          .map(({ id }) => droplets.vanish(id)),
      );
    },
    /** Waits until orders, deletions and events that were begun have come to their end. */
    settle: droplets.settle,
    /** Stops answering, then takes all machines away. */
    stop: async (): Promise<void> => {
      await app.close();
      await dns.stop();
      await droplets.stop();
    },
  };

  function add({
    name,
    tags,
    createdAt = Date.now(),
  }: {
    readonly name: string;
    readonly tags: readonly string[];
    readonly createdAt?: number;
  }): { readonly id: number } {
    const order = readOrder(
      { name, tags, size: "s-1vcpu-2gb", image: "debian-12-x64", region: "fra1" },
      { vpcs, sshKeys },
    );
    return droplets.plant(order, {
      createdAt,
      listedFrom: 0,
      taggedFrom: 0,
      status: "active",
      publicIp: "203.0.113.1",
      privateIp: "10.135.0.1",
    });
  }
}
