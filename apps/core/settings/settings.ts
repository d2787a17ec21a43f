import { admission } from "./admission.ts";
import { balance } from "./balance.ts";
import { cloud } from "./cloud.ts";
import { consoles } from "./console.ts";
import type { Setting, ValuesOf } from "./declaration.ts";
import { edge } from "./edge.ts";
import { enrolment } from "./enrolment.ts";
import { fleet } from "./fleet.ts";
import { hosts } from "./hosts.ts";
import { http } from "./http.ts";
import { instances } from "./instances.ts";
import { jobs } from "./jobs.ts";
import { notifications } from "./notifications.ts";
import { operator } from "./operator.ts";
import { ports } from "./ports.ts";
import { service } from "./service.ts";
import { warmPool } from "./warm-pool.ts";

/** All rooms of settings, in the order of docs/settings.md. */
export const rooms = {
  service,
  operator,
  notifications,
  http,
  instances,
  warmPool,
  admission,
  consoles,
  hosts,
  edge,
  ports,
  balance,
  cloud,
  fleet,
  enrolment,
  jobs,
};

type Rooms = typeof rooms;
type DeclaredIn<R> = R extends unknown ? R[keyof R] : never;

/** Name of a setting, as it stands in the environment. */
export type SettingName = (DeclaredIn<Rooms[keyof Rooms]> & Setting)["name"];

/** Every setting of the product, declared once, in the order of docs/settings.md. */
export const settings = Object.values<Record<string, Setting>>(rooms).flatMap((room) =>
  Object.values(room),
) as readonly Setting<SettingName>[];

/**
 * The settings of a program, by room; those that are not set and have no default are undefined. `Needed` are
 * those that the program cannot do without, `NeededByFleet` those that it needs besides when it runs a fleet.
 * `cloud` is undefined when it runs none.
 */
export type Settings<Needed extends SettingName = never, NeededByFleet extends SettingName = never> =
  (RoomValues<Needed> & { readonly cloud: undefined }) | FleetSettings<Needed | NeededByFleet>;

/** The settings of a program that runs a fleet. */
export type FleetSettings<Needed extends SettingName = never> = RoomValues<Needed> & {
  readonly cloud: ValuesOf<typeof cloud, "DIGITALOCEAN_TOKEN">;
};

type RoomValues<Needed extends SettingName> = {
  readonly [R in Exclude<keyof Rooms, "cloud">]: ValuesOf<Rooms[R], Needed>;
};
