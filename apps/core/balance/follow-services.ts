import type { Events } from "../events/contract.ts";
import { whileKnown } from "../../lib/unavailable.ts";
import { readAddress, type MemberAddress, type OwnAddresses } from "./address.ts";
import { readAnnouncement, type AnnouncementRules } from "./announcement.ts";
import {
  conflictReason,
  conflictsOf,
  nextOwners,
  ownerChanges,
  refusedParts,
  settle,
  type Announcements,
  type Owners,
} from "./applications.ts";
import type { Announcer, AnnouncementBoard, Pools, Services } from "./contract.ts";
import { desiredServices, type DeclaredService } from "./desired.ts";
import { applyMessage, readPool, type PoolChange, type PoolMessage } from "./pool.ts";
import type { Balanced } from "./service.ts";

/** What following services needs. */
export type FollowPorts = {
  readonly store: {
    readonly services: Pick<Services, "list">;
    readonly announcers: { readonly list: () => Promise<readonly Pick<Announcer, "name" | "applications">[]> };
    readonly events: Pick<Events, "add">;
  };
  readonly pools: Pools;
  readonly board: AnnouncementBoard;
  readonly clock: () => Date;
  /** Milliseconds on a clock that nobody sets. */
  readonly nowMs: () => number;
};

/** What a gateway carries, and what it is itself. */
export type FollowRules = {
  /** Addresses of its own: no member may be there. */
  readonly own: () => OwnAddresses;
  /** Ports at which it carries instances: of a second HAProxy there, each would get some of the other's connections. */
  readonly reservedPorts: readonly number[];
  readonly mostMembers: number;
  readonly announcements: Pick<AnnouncementRules, "networks" | "listenPorts" | "reservedDomains">;
  /**
   * For so long after Redis has begun anew, hosts that were known stay: they announce themselves again by and by. For so
   * long after a start, a pool without a key is not taken for one without members.
   */
  readonly holdMs: number;
};

/** What is to be carried, as far as it is known. */
export type FollowedServices = {
  readonly services: readonly Balanced[];
  /** Whether everything has been read once: else what is carried already may be more than this. */
  readonly isWhole: boolean;
};

/** What is known of what a gateway is to carry. */
export type ServiceFollower = {
  /** Looks at all that says what is to be carried. What cannot be read now is as it was. */
  readonly look: () => Promise<FollowedServices>;
  /** Changes a pool as a message says. @throws Unavailable when it cannot be changed now */
  readonly hear: (key: string, message: PoolMessage) => Promise<void>;
};

type Told = "pool-refused" | "announcement-refused" | "configuration-refused";

/** Of many faults the first ones are told. */
const TOLD_AT_MOST = 50;
const LONGEST_REASON = 400;

/** Follows what services there are: declared ones in MySQL, pools and announcements in Redis. */
export function followServices(ports: FollowPorts, rules: FollowRules): ServiceFollower {
  const { store, clock } = ports;
  let declared: readonly DeclaredService[] = [];
  let announcers: readonly Pick<Announcer, "name" | "applications">[] = [];
  let announcements: Announcements = new Map();
  let owners: Owners = new Map();
  let run: { readonly id: string; readonly sinceMs: number } | undefined;
  /** Hosts that have announced themselves since Redis began: when they are gone, they have left. */
  const returned = new Set<string>();
  const pools = new Map<string, { readonly text: string; readonly members: readonly MemberAddress[] }>();
  let told: ReadonlySet<string> = new Set();
  let [hasReadMysql, hasReadRedis] = [false, false];
  const begunMs = ports.nowMs();

  async function look(): Promise<FollowedServices> {
    const faults: { readonly kind: Told; readonly reason: string }[] = [];
    const own = rules.own();
    const read = await whileKnown(Promise.all([store.services.list(), store.announcers.list()]), "mysql");
    if (read) [declared, announcers] = read;
    hasReadMysql ||= read !== undefined;
    const pooled = await lookAtPools(own);
    for (const reason of pooled.faults) faults.push({ kind: "pool-refused", reason });
    const areAnnouncementsRead = await lookAtAnnouncements(own);
    hasReadRedis ||= hasReadMysql && pooled.isRead && areAnnouncementsRead;
    for (const { host, application, reason } of refusedParts(announcements))
      faults.push({
        kind: "announcement-refused",
        reason: `host ${host}${application === null ? "" : `, application ${application}`}: ${reason}`,
      });
    for (const conflict of conflictsOf(announcements, owners))
      faults.push({ kind: "announcement-refused", reason: conflictReason(conflict) });

    const usable = declared.map((service) => ({
      ...service,
      members: service.members.filter(({ address }) => {
        const reading = readAddress(address.text, { own });
        if (reading.kind === "refused")
          faults.push({ kind: "pool-refused", reason: `service ${service.name}: ${reading.reason}` });
        return reading.kind === "address";
      }),
    }));
    const members = new Map([...pools].map(([key, pool]) => [key, pool.members]));
    const { services, displaced } = desiredServices({ declared: usable, pools: members, announcements, owners });
    for (const { service, reason } of displaced)
      faults.push({ kind: "announcement-refused", reason: `${service}: ${reason}` });
    const isReserved = ({ port }: Balanced) => rules.reservedPorts.includes(port);
    for (const { name, port } of services.filter(isReserved))
      faults.push({
        kind: "configuration-refused",
        reason: `service ${name} is not carried: gateways carry instances at port ${port}`,
      });
    await tellNew(faults);
    return { services: services.filter((service) => !isReserved(service)), isWhole: hasReadRedis };
  }

  /** Reads the pools of declared services. Returns whether it could, and what is wrong with them. */
  async function lookAtPools(
    own: OwnAddresses,
  ): Promise<{ readonly isRead: boolean; readonly faults: readonly string[] }> {
    let isRead = true;
    const faults: string[] = [];
    const keys = new Set(declared.flatMap(({ poolKey }) => poolKey ?? []));
    for (const key of pools.keys()) if (!keys.has(key)) pools.delete(key);
    for (const key of keys) {
      const read = await whileKnown(
        ports.pools.read(key).then((text) => ({ text })),
        "redis",
      );
      if (!read) {
        isRead = false;
        continue;
      }
      const { text } = read;
      if (text === undefined) {
        const known = pools.get(key)?.text;
        if (known === undefined) {
          // Another gateway may know it, and write it again.
          isRead &&= ports.nowMs() - begunMs >= rules.holdMs;
          faults.push(`Redis has no key ${key}, so it has no members. An empty pool is []`);
        } else {
          const again = (now: string | undefined): PoolChange =>
            now === undefined ? { kind: "changed", text: known } : { kind: "unchanged" };
          await whileKnown(ports.pools.change(key, again), "redis");
          faults.push(`Redis had lost the key ${key}: the members known last are there again. An empty pool is []`);
        }
        continue;
      }
      const reading = readPool(text, { own, mostMembers: rules.mostMembers });
      if (reading.kind === "refused") {
        faults.push(`${key}: ${reading.reason}. The members known last stay`);
        continue;
      }
      pools.set(key, { text, members: reading.members });
      faults.push(...reading.refused.map((reason) => `${key}: ${reason}`));
    }
    return { isRead, faults };
  }

  /** Reads what is announced. Returns whether it could. */
  async function lookAtAnnouncements(own: OwnAddresses): Promise<boolean> {
    const allowed = new Map(announcers.map(({ name, applications }) => [name, applications ?? undefined]));
    const seen = await whileKnown(ports.board.read([...allowed.keys()]), "redis");
    const nowMs = ports.nowMs();
    if (seen && seen.serverRun !== run?.id) {
      run = { id: seen.serverRun, sinceMs: run === undefined ? Number.NEGATIVE_INFINITY : nowMs };
      returned.clear();
    }
    for (const { host } of seen?.kept ?? []) returned.add(host);
    const known = new Map(
      [...announcements].filter(([host]) => allowed.has(host) && !(seen !== undefined && returned.has(host))),
    );
    const isIncomplete = run !== undefined && nowMs - run.sinceMs < rules.holdMs;
    const read = seen?.kept.map(
      ({ host, text, lifeMs }) =>
        [
          host,
          readAnnouncement(host, text, lifeMs, {
            ...rules.announcements,
            own,
            allowedTo: (name) => allowed.get(name),
          }),
        ] as const,
    );
    announcements = settle({ known, seen: read && new Map(read), isIncomplete });
    if (!seen) return false;
    const next = nextOwners(announcements, isIncomplete ? new Map([...owners, ...seen.owners]) : seen.owners);
    const changes = ownerChanges(seen.owners, next);
    owners =
      changes.length === 0 ? next : ((await whileKnown(ports.board.changeOwners(changes), "redis")) ?? seen.owners);
    return true;
  }

  async function hear(key: string, message: PoolMessage): Promise<void> {
    if (!declared.some(({ poolKey }) => poolKey === key)) return;
    const poolRules = { own: rules.own(), mostMembers: rules.mostMembers };
    // Without a key, the members known last are what a message changes: it must not be all that is left.
    const change = await ports.pools.change(key, (text) =>
      applyMessage(text ?? pools.get(key)?.text, message, poolRules),
    );
    if (change.kind === "unchanged") return;
    const reason =
      change.kind === "changed"
        ? `${key}: ${message.kind === "add" ? "added" : "removed"} ${message.entry.slice(0, 80)}, as a message said`
        : `${key}: ${change.reason}`;
    const kind = change.kind === "changed" ? "pool-changed" : "pool-refused";
    await store.events.add({ actor: "gateway", kind, reason: reason.slice(0, LONGEST_REASON) }, clock());
  }

  /** Tells each fault once, for as long as it lasts; while it cannot be told now, later. */
  async function tellNew(faults: readonly { readonly kind: Told; readonly reason: string }[]): Promise<void> {
    const now = new Set<string>();
    for (const { kind, reason } of faults.slice(0, TOLD_AT_MOST)) {
      const key = `${kind} ${reason}`;
      if (now.has(key)) continue;
      if (!told.has(key)) {
        const event = { actor: "gateway", kind, reason: reason.slice(0, LONGEST_REASON) } as const;
        const isTold = await whileKnown(
          store.events.add(event, clock()).then(() => true),
          "mysql",
        );
        if (isTold !== true) continue;
      }
      now.add(key);
    }
    told = now;
  }

  return { look, hear };
}
