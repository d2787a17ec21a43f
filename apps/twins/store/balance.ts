import type { Announcers, Services } from "../../core/balance/contract.ts";
import { conflictOf } from "../../core/balance/service.ts";
import type { Effects } from "../turns.ts";
import { change, type Tables } from "./tables.ts";

const byName = (a: { readonly name: string }, b: { readonly name: string }) => (a.name < b.name ? -1 : 1);

/** Declared services in memory. */
export function serviceEffects(tables: Tables): Effects<Services> {
  return {
    list: () => [...tables.services.values()].sort(byName),

    add: (service) => {
      const reason = conflictOf(
        service,
        [...tables.services.values()].filter(({ port }) => port === service.port),
      );
      if (reason !== undefined) return { kind: "conflict", reason };
      if (tables.services.has(service.name)) return { kind: "name-taken" };
      tables.services.set(service.name, { ...service, members: [] });
      return { kind: "declared" };
    },

    change: (name, to) => {
      if (!tables.services.has(name)) return false;
      change(tables.services, name, to);
      return true;
    },

    remove: (name) => tables.services.delete(name),

    putMember: (name, member, mostMembers) => {
      const service = tables.services.get(name);
      if (!service) return "unknown";
      const others = service.members.filter(({ address }) => address.text !== member.address.text);
      const isThere = others.length < service.members.length;
      if (!isThere && others.length >= mostMembers) return "full";
      const members = [...others, member].sort((a, b) => (a.address.text < b.address.text ? -1 : 1));
      change(tables.services, name, { members });
      return isThere ? "changed" : "added";
    },

    removeMember: (name, address) => {
      const service = tables.services.get(name);
      const members = service?.members.filter((each) => each.address.text !== address) ?? [];
      if (!service || members.length === service.members.length) return false;
      change(tables.services, name, { members });
      return true;
    },
  };
}

/** Hosts that may announce applications, in memory. */
export function announcerEffects(tables: Tables): Effects<Announcers> {
  return {
    list: () => [...tables.announcers.values()].sort(byName),

    add: (announcer) => {
      if (tables.announcers.has(announcer.name)) return false;
      tables.announcers.set(announcer.name, announcer);
      return true;
    },

    remove: (name) => tables.announcers.delete(name),
  };
}
