import { readAnnouncement, type Announcement, type AnnouncementRules } from "../balance/announcement.ts";
import { conflictsOf, type ClaimConflict } from "../balance/applications.ts";
import type { AnnouncementBoard, Announcers } from "../balance/contract.ts";

/** What reading announcements needs. */
export type ReadAnnouncedPorts = {
  readonly store: { readonly announcers: Pick<Announcers, "list"> };
  readonly board: Pick<AnnouncementBoard, "read">;
};

/** What announcements may ask for, whoever announces. */
export type AnnouncedRules = Omit<AnnouncementRules, "own" | "allowedTo">;

/** What hosts announce now, and what of it is not followed. */
export type Announced = {
  readonly hosts: readonly Announcement[];
  readonly conflicts: readonly ClaimConflict[];
};

/**
 * Reads what hosts announce now, as gateways do.
 * @throws Unavailable when MySQL or Redis does not answer
 */
export async function readAnnounced({ store, board }: ReadAnnouncedPorts, rules: AnnouncedRules): Promise<Announced> {
  const allowed = new Map((await store.announcers.list()).map(({ name, applications }) => [name, applications]));
  const { kept, owners } = await board.read([...allowed.keys()]);
  // Gateways alone know their own addresses.
  const its = { ...rules, own: { ips: [], ports: [] } };
  const hosts = kept.map(({ host, text, lifeMs }) =>
    readAnnouncement(host, text, lifeMs, { ...its, allowedTo: (name) => allowed.get(name) ?? undefined }),
  );
  return { hosts, conflicts: conflictsOf(new Map(hosts.map((each) => [each.host, each])), owners) };
}
