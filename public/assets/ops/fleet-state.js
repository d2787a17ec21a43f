/** @import { FleetOverview, HostOverview, StreamNews } from "../../api-types.ts" */

/**
 * What an older replica of the service does not tell of a host.
 * @satisfies {Partial<HostOverview>}
 */
const untold = { warm: 0, ready: 0 };

/** What the page knows of the fleet: the last overview, kept up to date by changes. */
export function createFleetState() {
  /** @type {FleetOverview | undefined} */
  let overview;
  /** @type {Map<string, HostOverview>} */
  let hosts = new Map();
  let skewMs = 0;
  /** @type {number | undefined} */
  let heardAt;
  let isHeard = true;

  return {
    /**
     * Takes over news of the stream.
     * @param {StreamNews} news
     */
    take({ kind, data }) {
      if (kind === "picture") {
        hosts = new Map(data.hosts.map((host) => [host.name, { ...untold, ...host }]));
        overview = data;
      } else if (kind === "change" && overview) {
        for (const host of data.hosts) hosts.set(host.name, { ...untold, ...host });
        for (const name of data.gone) hosts.delete(name);
        overview = { ...overview, ...data };
      } else {
        return;
      }
      overview = { ...overview, hosts: [...hosts.values()] };
      skewMs = Date.parse(data.at) - Date.now();
      heardAt = Date.now();
      isHeard = true;
    },

    /** Nothing is heard of the fleet any more: what is known stays, and is of then. */
    lose() {
      isHeard = false;
    },

    /** When the fleet was heard of last, by the reader's clock; undefined while it is, or has never been. */
    unknownSince: () => (isHeard ? undefined : heardAt),

    forget() {
      overview = undefined;
      hosts = new Map();
    },

    /** Undefined until the first overview has come. */
    overview: () => overview,
    /** @param {string} name */
    host: (name) => hosts.get(name),
    /** The service's time, in milliseconds since 1970: the reader's clock may be wrong by hours. */
    now: () => Date.now() + skewMs,
  };
}
