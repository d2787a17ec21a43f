import type { Redis } from "ioredis";
import { announcerUserPrefix } from "../../core/balance/announcement.ts";
import { announcerPassword, announcerUser } from "../../core/balance/announcer-user.ts";
import type { Announcer, AnnouncerUsers } from "../../core/balance/contract.ts";
import { grantUser, keepUsers, revokeUser } from "./users.ts";

/** Permission to announce applications: Redis users, one a host. Needs a login that may manage users. */
export function createAnnouncerUsers(redis: Redis, serverSecret: string): AnnouncerUsers {
  const userOf = (announcer: Announcer) => announcerUser(announcer.name, announcerPassword(serverSecret, announcer));
  return {
    passwordOf: (announcer) => announcerPassword(serverSecret, announcer),
    grant: (announcer) => grantUser(redis, userOf(announcer)),
    revoke: (name) => revokeUser(redis, `${announcerUserPrefix}${name}`),
    keep: (announcers) =>
      keepUsers(
        redis,
        announcerUserPrefix,
        new Map(announcers.map((each) => [`${announcerUserPrefix}${each.name}`, () => userOf(each)])),
      ),
  };
}
