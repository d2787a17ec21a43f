import { createActions, type Action, type Actions } from "./actions.ts";
import type { Image, Region, Size } from "./catalogue.ts";
import type { Faults, Occasion } from "./faults.ts";
import type { Machines } from "./machines.ts";
import { apiErrors } from "./api-error.ts";

/** A droplet as the stand-in keeps it. Times in milliseconds since 1970. */
export type LabDroplet = {
  readonly id: number;
  readonly name: string;
  readonly region: Region;
  readonly size: Size;
  readonly image: Image;
  readonly tags: Set<string>;
  readonly vpc: string;
  readonly userData: string;
  readonly createdAt: number;
  /** Before these, lists do not show it, or not under its tags. */
  readonly listedFrom: number;
  readonly taggedFrom: number;
  status: "new" | "active" | "off";
  /** An event is under way: no other one is taken. */
  isLocked: boolean;
  isDeleted: boolean;
  /** Whether there is a machine that was switched on, or would be if the lab had machines. */
  boots: boolean;
  publicIp: string | null;
  privateIp: string | null;
};

/** What a droplet is made of, once it was checked. */
export type NewDroplet = Pick<LabDroplet, "name" | "region" | "size" | "image" | "vpc" | "userData"> & {
  readonly tags: readonly string[];
};

/** How long things take, in milliseconds. */
export type Times = {
  readonly activeMs: number;
  readonly tagLagMs: number;
  readonly deleteMs: number;
  readonly actionMs: number;
};

export type PowerAction = "power_off" | "power_on" | "power_cycle" | "shutdown" | "reboot";

type Parts = {
  readonly times: Times;
  readonly faults: Faults;
  readonly machines: Machines | undefined;
  readonly dropletLimit: number;
  /** Called for machines that could not be built or taken away. */
  readonly onFault: (fault: unknown) => void;
};

/** The account's droplets, and how they change over time. */
export function createDroplets({ times, faults, machines, dropletLimit, onFault }: Parts) {
  const droplets = new Map<number, LabDroplet>();
  const actions: Actions = createActions();
  const building = new Map<number, Promise<void>>();
  const underWay = new Set<Promise<void>>();
  const ordered: { readonly id: number; readonly name: string }[] = [];
  const stopping = new AbortController();
  // Numbers of an earlier run are not given again: somebody may still use them.
  let lastId = Math.floor(Date.now() / 1000);

  /** Accepts an order; the machine is built a while later. */
  function create(order: NewDroplet, occasion: Occasion): { droplet: LabDroplet; action: Action } {
    if (droplets.size >= dropletLimit) throw apiErrors.dropletLimit();
    const isNeverActive = faults.strike(occasion, "never-active") !== undefined;
    const isNeverBooting = faults.strike(occasion, "never-boots") !== undefined;
    const bootDelayMs = faults.strike(occasion, "slow-boot")?.ms ?? 0;
    const now = Date.now();
    const droplet = plant(order, {
      createdAt: now,
      listedFrom: now + (faults.strike(occasion, "list-lags")?.ms ?? 0),
      taggedFrom: now + times.tagLagMs,
    });
    ordered.push({ id: droplet.id, name: droplet.name });
    const action = actions.begin("create", droplet.id, droplet.region.slug);
    if (isNeverActive) return { droplet, action };
    follow(
      (async () => {
        const hasMachine = !isNeverBooting && bootDelayMs === 0;
        await Promise.all([pause(times.activeMs), hasMachine && build(droplet)]);
        if (isNeverBooting) Object.assign(droplet, inventedAddresses(droplet.id));
        droplet.status = "active";
        action.end("completed");
        if (bootDelayMs === 0) return;
        await pause(bootDelayMs);
        if (!droplet.isDeleted) await build(droplet);
      })().finally(() => action.status === "in-progress" && action.end("errored")),
    );
    return { droplet, action };
  }

  /** A droplet that does not change as an ordered one does: it stays as it is, and has no machine. */
  function plant(
    order: NewDroplet,
    facts: Pick<LabDroplet, "createdAt" | "listedFrom" | "taggedFrom"> & Partial<LabDroplet>,
  ): LabDroplet {
    const droplet: LabDroplet = {
      status: "new",
      isLocked: false,
      isDeleted: false,
      boots: false,
      publicIp: null,
      privateIp: null,
      ...order,
      ...facts,
      id: ++lastId,
      tags: new Set(order.tags),
    };
    droplets.set(droplet.id, droplet);
    return droplet;
  }

  /** Those that lists show now, the newest first as DigitalOcean lists them. */
  function list(): LabDroplet[] {
    const now = Date.now();
    return [...droplets.values()].filter(({ listedFrom }) => listedFrom <= now).reverse();
  }

  /** @throws ApiError when there is none */
  function get(id: number): LabDroplet {
    const droplet = droplets.get(id);
    if (!droplet) throw apiErrors.notFound();
    return droplet;
  }

  /** Accepts a deletion; the droplet exists a moment longer. */
  function remove(id: number, occasion: Occasion): void {
    const droplet = get(id);
    if (faults.strike(occasion, "delete-refused")) throw apiErrors.pendingEvent();
    if (faults.strike(occasion, "delete-fails")) throw apiErrors.serverError();
    if (faults.strike(occasion, "delete-ignored") || droplet.isDeleted) return;
    if (droplet.isLocked) throw apiErrors.pendingEvent();
    droplet.isDeleted = true;
    follow(
      (async () => {
        await pause(times.deleteMs);
        await building.get(id);
        building.delete(id);
        await machines?.destroy(id);
        droplets.delete(id);
      })(),
    );
  }

  /** Removes a droplet at once, without a call of the API. */
  async function vanish(id: number): Promise<void> {
    get(id).isDeleted = true;
    droplets.delete(id);
    await building.get(id);
    building.delete(id);
    await machines?.destroy(id);
  }

  /** Begins an event of the droplet's power. */
  function power(id: number, type: PowerAction): Action {
    const droplet = get(id);
    if (droplet.isLocked || droplet.isDeleted || droplet.status === "new") throw apiErrors.pendingEvent();
    const action = actions.begin(type, id, droplet.region.slug);
    droplet.isLocked = true;
    follow(
      (async () => {
        await pause(times.actionMs);
        if (type !== "power_on") {
          await machines?.powerOff(id);
          droplet.status = "off";
        }
        if (type !== "power_off" && type !== "shutdown") {
          await machines?.powerOn(id);
          droplet.status = "active";
        }
        action.end("completed");
      })().finally(() => {
        droplet.isLocked = false;
      }),
    );
    return action;
  }

  async function build(droplet: LabDroplet): Promise<void> {
    const { id, name, userData, region, size } = droplet;
    const built = (async () => {
      Object.assign(
        droplet,
        machines
          ? await machines.build({ id, name, userData, region: region.slug, size: size.slug })
          : inventedAddresses(id),
        { boots: true },
      );
    })();
    building.set(
      id,
      built.catch(() => undefined),
    );
    await built;
  }

  /** Work that goes on after an answer: a failure of it is reported, and nothing waits for it. */
  function follow(work: Promise<void>): void {
    const followed = work
      .catch((fault: unknown) => {
        if (!stopping.signal.aborted) onFault(fault);
      })
      .finally(() => underWay.delete(followed));
    underWay.add(followed);
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        clearTimeout(timer);
        reject(new Error("the stand-in stops"));
      };
      const timer = setTimeout(() => {
        stopping.signal.removeEventListener("abort", giveUp);
        resolve();
      }, ms);
      stopping.signal.addEventListener("abort", giveUp, { once: true });
      if (stopping.signal.aborted) giveUp();
    });
  }

  /** Waits until all work that goes on after answers has ended. */
  async function settle(): Promise<void> {
    while (underWay.size > 0) await Promise.all(underWay);
  }

  /** Ends all that is under way and takes every machine away. @throws the first failure, after all were tried */
  async function stop(): Promise<void> {
    stopping.abort();
    await Promise.all([...underWay, ...building.values()]);
    const ends = await Promise.allSettled([...droplets.keys()].map(async (id) => machines?.destroy(id)));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed) throw failed.reason;
  }

  return {
    create,
    plant,
    list,
    get,
    remove,
    power,
    action: actions.get,
    actionsOf: actions.of,
    vanish,
    settle,
    all: () => [...droplets.values()],
    ordered: () => [...ordered],
    stop,
  };
}

export type Droplets = ReturnType<typeof createDroplets>;

/** Addresses of the blocks that are kept for documentation and for private use. */
function inventedAddresses(id: number): { publicIp: string; privateIp: string } {
  return { publicIp: `203.0.113.${(id % 254) + 1}`, privateIp: `10.135.${(id >> 8) % 256}.${(id % 254) + 1}` };
}
