import pMap from "p-map";
import { CloudFault, type CloudDroplet } from "./cloud.ts";
import type { Cloud, Droplets, Hosts, ReadHeartbeats } from "./contract.ts";
import { readArrivals, type CountHandedOut } from "./demand.ts";
import type { BlindSnapshot, CloudWord, DropletFacts, FleetSnapshot } from "./droplets.ts";
import { Unavailable } from "../../lib/unavailable.ts";

/** What a snapshot of the whole fleet needs. */
export type SnapshotPorts = {
  readonly cloud: Pick<Cloud, "listDroplets" | "findDroplets" | "getDroplet">;
  readonly store: {
    readonly droplets: Pick<Droplets, "list" | "listGoneIds" | "readOrderFailures">;
    readonly hosts: Pick<Hosts, "list">;
    readonly warmPool: { readonly countHandedOut: CountHandedOut };
    /** What the operator has paused. */
    readonly switches: {
      readonly list: () => Promise<readonly { readonly name: string; readonly paused: boolean }[]>;
    };
    /** Hosts that the operator wants destroyed, by name: without leases, or with them lost. */
    readonly destroyRequests: { readonly list: () => Promise<ReadonlyMap<string, "none" | "lost">> };
  };
  readonly readHeartbeats: ReadHeartbeats;
};

/**
 * Most droplets missing in the list that one snapshot asks for by id: a list that lags must not use up the
 * hour's calls.
 */
const SINGLE_LOOKS = 10;

/** How long lists may show a droplet that is gone. */
const LIST_LAG_MS = 600_000;

/**
 * Everything that decides about the fleet's size, at one moment.
 * @returns what is unknown instead, when the cloud or Redis does not answer
 * @throws Unavailable when MySQL does not answer
 */
export async function takeSnapshot(
  ports: SnapshotPorts,
  tag: string,
  now: Date,
): Promise<FleetSnapshot | BlindSnapshot> {
  try {
    const { rows, words, untracked } = await lookAtCloud(ports.cloud, ports.store.droplets, tag, now);
    const hosts = new Map((await ports.store.hosts.list()).map((facts) => [facts.host.name, facts]));
    const heartbeats = await ports.readHeartbeats(
      rows.filter(({ state }) => state === "joined").map(({ name }) => name),
    );
    const droplets = rows.map((row): DropletFacts => {
      const host = hosts.get(row.name);
      return {
        row,
        host: host && { ...host, heartbeat: heartbeats.get(row.name) },
        cloud: words.get(row.name) ?? "unlisted",
      };
    });
    const isPaused = (await ports.store.switches.list()).some(({ name, paused }) => name === "scaling" && paused);
    return {
      droplets,
      untracked,
      failures: await ports.store.droplets.readOrderFailures(),
      arrivalsPerSecond: await readArrivals(ports.store.warmPool.countHandedOut, now),
      operator: { isPaused, destroyRequests: await ports.store.destroyRequests.list() },
    };
  } catch (fault) {
    if (fault instanceof CloudFault)
      return { blind: `the cloud does not answer (${fault.reason}): what exists is unknown` };
    if (fault instanceof Unavailable && fault.system === "redis")
      return { blind: "Redis does not answer: which hosts are alive is unknown" };
    throw fault;
  }
}

/**
 * Rows of droplets with what the cloud reports about each, and droplets with the tag that no row tracks. The cloud's are
 * read first, so that a droplet ordered meanwhile is not taken for an untracked one.
 * @throws CloudFault when the cloud does not answer
 */
export async function lookAtCloud<Row extends Tracked>(
  cloud: SnapshotPorts["cloud"],
  store: { readonly list: () => Promise<Row[]>; readonly listGoneIds: (since: Date) => Promise<number[]> },
  tag: string,
  now: Date,
): Promise<{
  readonly rows: readonly Row[];
  readonly words: ReadonlyMap<string, CloudWord>;
  readonly untracked: readonly CloudDroplet[];
}> {
  const listed = await cloud.listDroplets(tag);
  const rows = await store.list();
  const named = (
    await pMap(rows.filter(isUnanswered), ({ name }) => cloud.findDroplets(name), { concurrency: 4 })
  ).flat();
  const known = new Map([...listed, ...named].map((droplet) => [droplet.id, droplet]));
  const words = await wordsOf(cloud, rows, known);
  const goneLately = await store.listGoneIds(new Date(now.getTime() - LIST_LAG_MS));
  const tracked = new Set([...goneLately, ...rows.map(({ dropletId }) => dropletId)]);
  return { rows, words, untracked: [...known.values()].filter(({ id }) => !tracked.has(id)) };
}

type Tracked = { readonly name: string; readonly state: string; readonly dropletId: number | null };

/** What the cloud reports about each row's droplet. Only asking for that droplet by id can show that it is gone. */
async function wordsOf(
  cloud: Pick<SnapshotPorts["cloud"], "getDroplet">,
  rows: readonly Tracked[],
  known: ReadonlyMap<number, CloudDroplet>,
): Promise<Map<string, CloudWord>> {
  const words = new Map<string, CloudWord>();
  const unlisted: { name: string; dropletId: number }[] = [];
  for (const { name, dropletId } of rows) {
    if (dropletId === null) continue;
    const droplet = known.get(dropletId);
    if (droplet) words.set(name, droplet);
    else unlisted.push({ name, dropletId });
  }
  await pMap(
    unlisted.slice(0, SINGLE_LOOKS),
    async ({ name, dropletId }) => words.set(name, (await cloud.getDroplet(dropletId)) ?? "gone"),
    { concurrency: 4 },
  );
  return words;
}

function isUnanswered({ state, dropletId }: Tracked): boolean {
  return state === "ordered" && dropletId === null;
}
