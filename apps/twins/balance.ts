import { announcerPassword } from "../core/balance/announcer-user.ts";
import type { AnnouncementBoard, AnnouncerUsers, Pools } from "../core/balance/contract.ts";
import type { Claim } from "../core/balance/applications.ts";
import { inTurns, type Staging } from "./turns.ts";

/** Pools and announcements in memory, whose keys end by `clock`. Faults name the calls `pools.read`, `board.read` and so on. */
export function createTwinBalance({ clock, ...staging }: Staging & { readonly clock: () => Date }) {
  const pools = new Map<string, string>();
  const announcements = new Map<string, { readonly text: string; readonly endsAtMs: number | null }>();
  const owners = new Map<Claim, string>();
  const granted = new Set<string>();
  let run = 1;

  return {
    pools: inTurns<Pools>(
      "pools.",
      {
        read: (key) => pools.get(key),
        change: (key, rule) => {
          const result = rule(pools.get(key));
          if (result.kind === "changed") pools.set(key, result.text);
          return result;
        },
      },
      staging,
    ),
    board: inTurns<AnnouncementBoard>(
      "board.",
      {
        read: (hosts) => {
          const nowMs = clock().getTime();
          const kept = hosts.flatMap((host) => {
            const key = announcements.get(host);
            const lifeMs = key?.endsAtMs == null ? null : key.endsAtMs - nowMs;
            return !key || (lifeMs !== null && lifeMs <= 0) ? [] : [{ host, text: key.text, lifeMs }];
          });
          return { kept, owners: new Map(owners), serverRun: `run${run}` };
        },
        changeOwners: (changes) => {
          for (const { claim, from, to } of changes) {
            if ((owners.get(claim) ?? null) !== from) continue;
            if (to === null) owners.delete(claim);
            else owners.set(claim, to);
          }
          return new Map(owners);
        },
      },
      staging,
    ),
    users: {
      passwordOf: (announcer) => announcerPassword("secret", announcer),
      ...inTurns<Omit<AnnouncerUsers, "passwordOf">>(
        "announcerUsers.",
        {
          grant: ({ name }) => void granted.add(name),
          revoke: (name) => void granted.delete(name),
          keep: (announcers) => {
            granted.clear();
            for (const { name } of announcers) granted.add(name);
          },
        },
        staging,
      ),
    } satisfies AnnouncerUsers as AnnouncerUsers,
    /** Names of those who may announce, as Redis has them. */
    granted: (): ReadonlySet<string> => granted,
    /** Sets a pool's key; undefined: there is none any more. */
    setPool: (key: string, text: string | undefined) => {
      if (text === undefined) pools.delete(key);
      else pools.set(key, text);
    },
    /** Sets a host's key for so many milliseconds; null: for ever. */
    announce: (host: string, text: string, lifeMs: number | null) => {
      announcements.set(host, { text, endsAtMs: lifeMs === null ? null : clock().getTime() + lifeMs });
    },
    /** Ends a host's key, as the host does when it leaves. */
    leave: (host: string) => announcements.delete(host),
    /** Loses everything, as Redis does when it restarts. */
    restart: () => {
      pools.clear();
      announcements.clear();
      owners.clear();
      granted.clear();
      run++;
    },
  };
}
