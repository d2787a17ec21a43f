import type {
  Blocks,
  DestroyRequests,
  JobRuns,
  Logins,
  Misuse,
  Operators,
  Slots,
  Switches,
} from "../../core/operator/contract.ts";
import { holds, networksAround } from "../../core/operator/networks.ts";
import type { Block } from "../../core/operator/operator.ts";
import type { Operator } from "../../core/operator/operators.ts";
import type { SwitchName } from "../../core/events/names.ts";
import type { Effects } from "../turns.ts";
import { change, forOperators, leasesOf, type Tables } from "./tables.ts";

const LONGEST_BLOCK_REASON = 255;
const LONGEST_FAULT = 500;
const switchNames: readonly SwitchName[] = ["handouts", "scaling"];

/** Switches in memory. */
export function switchEffects(tables: Tables): Effects<Switches> {
  return {
    list: () =>
      switchNames.map((name) => ({
        name,
        paused: tables.switches.get(name)?.paused ?? false,
        changedAt: tables.switches.get(name)?.changedAt ?? null,
      })),

    set: (name, paused, now) => {
      if ((tables.switches.get(name)?.paused ?? false) === paused) return false;
      tables.switches.set(name, { paused, changedAt: now });
      return true;
    },
  };
}

/** Blocked addresses in memory. */
export function blockEffects(tables: Tables): Effects<Blocks> {
  return {
    list: (now) =>
      [...tables.blocks.values()]
        .filter((block) => isInForce(block, now))
        .sort((a, b) => b.blockedAt.getTime() - a.blockedAt.getTime() || (a.address < b.address ? -1 : 1)),

    add: ({ address, reason, until, by }, now) => {
      const before = tables.blocks.get(address);
      const blockedAt = before && isInForce(before, now) ? before.blockedAt : now;
      tables.blocks.set(address, { address, reason: reason.slice(0, LONGEST_BLOCK_REASON), blockedAt, until, by });
    },

    remove: (address, now) => {
      const block = tables.blocks.get(address);
      return block !== undefined && isInForce(block, now) && tables.blocks.delete(address);
    },

    replaceListed: (networks) => {
      const [before, after] = [tables.listedNetworks, new Set(networks)];
      tables.listedNetworks = after;
      return {
        added: [...after].filter((network) => !before.has(network)).length,
        removed: [...before].filter((network) => !after.has(network)).length,
      };
    },

    countListed: () => tables.listedNetworks.size,

    findListed: (networks) => networks.filter((network) => tables.listedNetworks.has(network)),
  };
}

/** Whether a block of the operator in force at `now` holds an address. */
export function isBlockedByOperator(tables: Tables, key: string, now: Date): boolean {
  return [...tables.blocks.values()].some((block) => isInForce(block, now) && holds(block.address, key));
}

/** Whether a block in force at `now`, or the list, holds an address. */
export function isBlocked(tables: Tables, key: string, now: Date): boolean {
  return (
    isBlockedByOperator(tables, key, now) || networksAround(key).some((network) => tables.listedNetworks.has(network))
  );
}

function isInForce({ until }: Block, now: Date): boolean {
  return until === null || until > now;
}

/** What looked like misuse, in memory. */
export function misuseEffects(tables: Tables): Effects<Misuse> {
  return {
    keep: (instanceId, { rule }, now, longestGapMs) => {
      const key = `${instanceId} ${rule}`;
      const before = tables.misuseFindings.get(key);
      const goesOn = before !== undefined && before.lastAt.getTime() >= now.getTime() - longestGapMs;
      const firstAt = goesOn ? before.firstAt : now;
      tables.misuseFindings.set(key, { instanceId, rule, firstAt, lastAt: now });
      return firstAt;
    },

    count: (since) => {
      const found = [...tables.misuseFindings.values()].filter(
        ({ instanceId, lastAt }) => lastAt >= since && tables.instances.get(instanceId)?.state === "running",
      );
      return [...Map.groupBy(found, ({ rule }) => rule)]
        .map(([rule, findings]) => ({ rule, instances: findings.length }))
        .sort((one, other) => (one.rule < other.rule ? -1 : 1));
    },
  };
}

/** Destroy requests in memory. */
export function destroyRequestEffects(tables: Tables): Effects<DestroyRequests> {
  return {
    add: (name, leases, now) => {
      const droplet = tables.droplets.get(name);
      const host = tables.hosts.get(name);
      const hasHost = host !== undefined && host.state !== "gone";
      if (!droplet || droplet.state === "gone") return { kind: hasHost ? "not-ours" : "unknown" };
      if (droplet.state === "ordered") return { kind: "still-ordered" };
      const held = leasesOf(tables, name).length;
      if (held > 0 && leases === "none") return { kind: "leased", leases: held };
      if (leases === "none" && forOperators(tables, name) > 0) return { kind: "for-operators" };
      if (hasHost) change(tables.hosts, name, { state: "draining" });
      tables.destroyRequests.set(name, { leases, askedAt: tables.destroyRequests.get(name)?.askedAt ?? now });
      return { kind: "requested" };
    },

    list: () =>
      new Map(
        [...tables.destroyRequests].flatMap(([name, { leases }]): [string, "none" | "lost"][] => {
          const state = tables.droplets.get(name)?.state;
          return state === "booting" || state === "joined" ? [[name, leases]] : [];
        }),
      ),
  };
}

/** Slots in use, in memory. */
export function slotEffects(tables: Tables): Effects<Slots> {
  return {
    listTaken: (now) =>
      [...tables.hosts.values()]
        .filter(({ state }) => state !== "gone")
        .flatMap(({ name }) =>
          (tables.slots.get(name) ?? [])
            .filter(({ instanceId, portTakenUntil }) => instanceId !== null || (portTakenUntil ?? now) > now)
            .map(({ slot, instanceId }) => ({
              hostName: name,
              slot,
              state: tables.instances.get(instanceId ?? "")?.state ?? ("port-taken" as const),
            })),
        ),
  };
}

/** Operators in memory. */
export function operatorEffects(tables: Tables): Effects<Operators> {
  return {
    list: () => [...tables.operators.values()].map(withoutHash).sort((a, b) => (a.name < b.name ? -1 : 1)),

    find: (tokenHash) => operatorOf(tables, tokenHash),

    add: ({ tokenHash, ...operator }, now) => {
      if (tables.operators.has(operator.name)) return false;
      tables.operators.set(operator.name, { ...operator, tokenHash, createdAt: now, lastUsedAt: null });
      return true;
    },

    change: (name, { role, expiresAt }) => {
      const before = tables.operators.get(name);
      if (!before) return undefined;
      const after = { ...before, ...(role !== undefined && { role }), ...(expiresAt !== undefined && { expiresAt }) };
      tables.operators.set(name, after);
      if (after.role !== before.role) endLogins(tables, before.tokenHash);
      return withoutHash(after);
    },

    remove: (name) => {
      const operator = tables.operators.get(name);
      if (!operator) return false;
      endLogins(tables, operator.tokenHash);
      return tables.operators.delete(name);
    },

    noteUse: (tokenHash, now) => {
      const operator = operatorOf(tables, tokenHash);
      if (operator && (operator.lastUsedAt === null || operator.lastUsedAt < now))
        change(tables.operators, operator.name, { lastUsedAt: now });
    },
  };
}

function operatorOf(tables: Tables, tokenHash: Buffer): Operator | undefined {
  const found = [...tables.operators.values()].find((operator) => operator.tokenHash.equals(tokenHash));
  return found && withoutHash(found);
}

function withoutHash(row: Operator & { readonly tokenHash: Buffer }): Operator {
  const { name, role, createdAt, createdBy, expiresAt, lastUsedAt } = row;
  return { name, role, createdAt, createdBy, expiresAt, lastUsedAt };
}

function endLogins(tables: Tables, tokenHash: Buffer): void {
  for (const [hash, login] of tables.logins) if (login.tokenHash.equals(tokenHash)) tables.logins.delete(hash);
}

/** The dashboard's logins in memory. */
export function loginEffects(tables: Tables): Effects<Logins> {
  return {
    begin: (secretHash, tokenHash, now, endsAt) => {
      for (const [hash, login] of tables.logins) if (login.endsAt <= now) tables.logins.delete(hash);
      tables.logins.set(secretHash.toString("hex"), { tokenHash, endsAt });
    },

    find: (secretHash, now) => {
      const login = tables.logins.get(secretHash.toString("hex"));
      if (login === undefined || login.endsAt <= now) return undefined;
      return { tokenHash: login.tokenHash, operator: operatorOf(tables, login.tokenHash) };
    },

    end: (secretHash) => {
      tables.logins.delete(secretHash.toString("hex"));
    },
  };
}

/** Runs of jobs in memory. */
export function runEffects(tables: Tables): Effects<JobRuns> {
  return {
    begin: (job, now) => {
      const none = { job, finishedAt: null, succeededAt: null, fault: null };
      tables.runs.set(job, { ...none, ...tables.runs.get(job), startedAt: now });
    },

    finish: (job, now, fault) =>
      change(tables.runs, job, {
        finishedAt: now,
        fault: fault?.slice(0, LONGEST_FAULT) ?? null,
        ...(fault === undefined && { succeededAt: now }),
      }),

    list: () => [...tables.runs.values()].sort((a, b) => (a.job < b.job ? -1 : 1)),
  };
}
