/**
 * How long things take in the simulation, in milliseconds, and where that is known from. The real ones depend on the
 * machine; how droplets are counted depends on them hardly at all.
 */
export const measured = {
  /** `docker run` until the first PONG, by `npm run bench` on two cores: create 6 ms, start 180 ms, PONG 6 ms later. */
  coldStartMs: 192,
  /** An engine on two cores starts nine containers a second, however many at once. */
  startSpacingMs: 111,
  /** Two transactions and a log-in round trip of a warm hand-out. */
  warmHandoutMs: 5,
  /** `docker rm -f` of an instance. */
  removalMs: 120,
  /**
   * From the order of a droplet to its heartbeat, drawn evenly between these: an assumption. DigitalOcean names a
   * minute for a droplet, and its first boot installs Docker.
   */
  bootMs: { least: 60_000, most: 120_000 },
  /** From the call that deletes a droplet until the cloud does not know it any more: an assumption. */
  deletionMs: 10_000,
} as const;

/** US dollars an hour of the default size, s-1vcpu-2gb: 12 dollars a month. */
export const HOURLY_PRICE = 0.01786;
