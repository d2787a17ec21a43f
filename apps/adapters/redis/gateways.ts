import type { Redis } from "ioredis";
import { parseGateway } from "../../core/edge/gateway.ts";
import type { CarriedRoute, Membership, RouteNews, ServiceReports } from "../../core/edge/contract.ts";
import { parseServicesReport } from "../../core/edge/service-reports.ts";
import { Unavailable } from "../../lib/unavailable.ts";

/** Names of all gateways that have been there lately; those that live have a key besides. */
const NAMES = "gateway::names";
const GATEWAYS = "gateway:";
/** The same of what they tell of services, which is more: hand-outs read the others. */
const SERVICE_NAMES = "gateway::service-names";
const SERVICES = "gateway::services:";
const NUDGES = "getaredis:routes";
const ACKNOWLEDGEMENTS = "getaredis:carried";

/**
 * Gateways with the values of their keys, one after the other. Those without a key are forgotten at the same moment,
 * by those who may: gateways on droplets only read, and may not have the names among the keys of a script.
 */
const LIST = `
local found = {}
for _, name in ipairs(redis.call("smembers", ARGV[1])) do
  local value = redis.call("get", ARGV[2] .. name)
  if value then
    found[#found + 1] = name
    found[#found + 1] = value
  else
    redis.pcall("srem", ARGV[1], name)
  end
end
return found`;

/** Which gateways live, from the keys that they write. */
export function createRedisMembership(redis: Redis): Membership {
  const keys = createKeys(redis, NAMES, GATEWAYS);
  return {
    join: (gateway, lifeMs) => keys.set(gateway.name, JSON.stringify(gateway), lifeMs),
    renew: async (gateway, lifeMs) =>
      (await asked(redis.set(`${GATEWAYS}${gateway.name}`, JSON.stringify(gateway), "PX", lifeMs, "XX"))) === "OK",
    withdraw: keys.remove,
    list: async () =>
      (await keys.list()).map(([name, value]) => parseGateway(name, value) ?? { name, state: "unreadable" as const }),
  };
}

/** How gateways carry services, from the keys that they write. */
export function createRedisServiceReports(redis: Redis): ServiceReports {
  const keys = createKeys(redis, SERVICE_NAMES, SERVICES);
  return {
    tell: (report, lifeMs) => keys.set(report.gateway, JSON.stringify(report), lifeMs),
    withdraw: keys.remove,
    list: async () => (await keys.list()).flatMap(([name, value]) => parseServicesReport(name, value) ?? []),
  };
}

/** Keys of gateways that end by themselves, each a prefix and the gateway's name; the set `names` has those names. */
function createKeys(redis: Redis, names: string, prefix: string) {
  return {
    /** Together: a name without its key would be forgotten, and a key without its name found by nobody. */
    set: async (name: string, value: string, lifeMs: number): Promise<void> => {
      await asked(redis.multi().set(`${prefix}${name}`, value, "PX", lifeMs).sadd(names, name).exec());
    },
    remove: async (name: string): Promise<void> => {
      await asked(redis.del(`${prefix}${name}`));
    },
    /** Names and values, in the order of the names. */
    list: async (): Promise<readonly (readonly [name: string, value: string])[]> => {
      const found = (await asked(redis.eval(LIST, 0, names, prefix))) as string[];
      return Array.from({ length: found.length / 2 }, (_, index) => {
        const [name = "", value = ""] = found.slice(index * 2, index * 2 + 2);
        return [name, value] as const;
      }).sort(([one], [other]) => (one < other ? -1 : 1));
    },
  };
}

/**
 * What gateways and those who start and end instances tell each other.
 * @param listener a connection that does nothing else, for what is heard
 */
export function createRedisRouteNews(redis: Redis, listener: Redis): RouteNews {
  const gateways = new Set<(ids: readonly string[]) => void>();
  const waiting = new Map<string, Set<(gateway: string, target: string | null) => void>>();
  const hears = new Map<string, (message: string) => void>([
    [NUDGES, hearNudge],
    [ACKNOWLEDGEMENTS, hearAcknowledgement],
  ]);
  const subscribed = new Set<string>();
  listener.on("message", (channel, message) => hears.get(channel)?.(message));
  // The client renews its subscriptions after a reconnect, but not one that failed the first time.
  listener.on("ready", () => {
    for (const channel of subscribed) void listener.subscribe(channel).catch(() => undefined);
  });

  function subscribe(channel: string): void {
    if (subscribed.has(channel)) return;
    subscribed.add(channel);
    if (listener.status === "ready") void listener.subscribe(channel).catch(() => undefined);
  }

  function hearNudge(message: string): void {
    const ids = readJson(message);
    if (!Array.isArray(ids)) return;
    const named = ids.filter((id) => typeof id === "string");
    for (const hear of gateways) hear(named);
  }

  function hearAcknowledgement(message: string): void {
    const told = readJson(message) as { gateway?: unknown; carried?: unknown } | undefined;
    if (typeof told?.gateway !== "string" || !Array.isArray(told.carried)) return;
    for (const { id, target } of told.carried as CarriedRoute[])
      for (const hear of waiting.get(id) ?? []) hear(told.gateway, target);
  }

  return {
    nudge: async (ids) => {
      await asked(redis.publish(NUDGES, JSON.stringify(ids)));
    },
    onNudge: (hear) => {
      gateways.add(hear);
      subscribe(NUDGES);
      return () => void gateways.delete(hear);
    },
    acknowledge: async (gateway, carried) => {
      await asked(redis.publish(ACKNOWLEDGEMENTS, JSON.stringify({ gateway, carried })));
    },
    onAcknowledged: (id, hear) => {
      const hearers = waiting.get(id) ?? new Set();
      waiting.set(id, hearers.add(hear));
      subscribe(ACKNOWLEDGEMENTS);
      return () => {
        hearers.delete(hear);
        if (hearers.size === 0) waiting.delete(id);
      };
    },
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (fault) {
    throw new Unavailable("redis", fault);
  }
}
