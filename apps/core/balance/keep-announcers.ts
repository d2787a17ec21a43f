import type { Announcers, AnnouncerUsers } from "./contract.ts";

/** What keeping announcers needs. */
export type KeepAnnouncersPorts = {
  readonly store: { readonly announcers: Pick<Announcers, "list"> };
  readonly users: Pick<AnnouncerUsers, "keep">;
};

/**
 * Lets those hosts announce that may, and nobody else: Redis loses its users when it restarts.
 * @throws Unavailable when MySQL or Redis does not answer
 */
export async function keepAnnouncers({ store, users }: KeepAnnouncersPorts): Promise<void> {
  await users.keep(await store.announcers.list());
}
