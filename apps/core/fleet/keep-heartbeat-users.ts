import type { Droplets } from "./contract.ts";

/** What keeping the heartbeats' users needs. */
export type KeepHeartbeatUsersPorts = {
  readonly store: { readonly droplets: Pick<Droplets, "list"> };
  /** Lets exactly these hosts send heartbeats. */
  readonly keep: (hostNames: readonly string[]) => Promise<void>;
};

/**
 * Lets all hosts, booting ones included, send heartbeats, and nobody else: Redis loses its users when it
 * restarts. This waits for nothing else, since without it the whole fleet is silent.
 * @throws Unavailable when MySQL or Redis does not answer
 */
export async function keepHeartbeatUsers({ store, keep }: KeepHeartbeatUsersPorts): Promise<void> {
  const rows = await store.droplets.list();
  await keep(rows.filter(({ state }) => state !== "destroying").map(({ name }) => name));
}
