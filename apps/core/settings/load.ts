import { MOST_SLOTS } from "../fleet/host-capacity.ts";
import type { Room, Setting } from "./declaration.ts";
import { balanceFaults } from "./balance.ts";
import { edgeFaults } from "./edge.ts";
import { notificationFaults } from "./notifications.ts";
import { warmPoolFaults } from "./warm-pool.ts";
import { rooms, settings, type SettingName, type Settings } from "./settings.ts";

/** Thrown by {@link loadSettings}; `faults` has one line for each setting that is missing or wrong. */
export type SettingsError = Error & { readonly faults: readonly string[] };

const SECOND = 1000;

/** Settings that had another name once. An old name that is still set is reported, not ignored. */
export const formerNames: Readonly<Record<string, SettingName>> = {
  HOST_REST_SECONDS: "HOST_BACKOFF_SECONDS",
  SLOT_REST_SECONDS: "SLOT_BACKOFF_SECONDS",
};

/**
 * Reads all settings from `env`, checks each and their relations, and reports every fault at once.
 * @param needed settings that this program cannot do without
 * @param neededByFleet settings that it cannot do without when it runs a fleet
 * @throws {SettingsError} when any setting is missing or wrong; the message names each and what it takes
 */
export function loadSettings<Needed extends SettingName = never, NeededByFleet extends SettingName = never>(
  env: NodeJS.ProcessEnv,
  needed: readonly Needed[] = [],
  neededByFleet: readonly NeededByFleet[] = [],
): Settings<Needed, NeededByFleet> {
  const faults = Object.entries(formerNames)
    .filter(([former]) => isSet(env[former]))
    .map(([former, name]) => `${former} is now called ${name}: set ${name} instead`);
  const values = new Map<string, unknown>();
  for (const setting of settings) {
    const given = isSet(env[setting.name]) ? env[setting.name] : setting.default;
    try {
      values.set(setting.name, isSet(given) ? setting.kind.parse(given) : undefined);
    } catch (fault) {
      faults.push(describeWrong(setting, given, fault));
    }
  }
  const isFleet = values.get(rooms.cloud.token.name) !== undefined;
  const allNeeded: readonly SettingName[] = isFleet ? [...needed, ...neededByFleet] : needed;
  for (const { name, meaning } of settings) {
    if (allNeeded.includes(name) && values.has(name) && values.get(name) === undefined)
      faults.push(`${name} is missing: ${meaning}`);
  }
  const byRoom = Object.fromEntries(Object.entries(rooms).map(([name, room]) => [name, valuesOf(room, values)]));
  faults.push(...relationFaults(byRoom as unknown as Settings));
  if (faults.length > 0) {
    const count = faults.length === 1 ? "a fault" : `${faults.length} faults`;
    const message = `The settings have ${count}:\n${faults.map((fault) => `  - ${fault}`).join("\n")}`;
    throw Object.assign(new Error(message), { faults });
  }
  return { ...byRoom, cloud: isFleet ? byRoom["cloud"] : undefined } as unknown as Settings<Needed, NeededByFleet>;
}

/** An empty variable is how shells and compose files say "not set". */
function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

function valuesOf(room: Room, values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(room).map(([key, { name }]) => [key, values.get(name)]));
}

function describeWrong({ name, kind }: Setting, given: string | undefined, fault: unknown): string {
  const reason = fault instanceof Error ? fault.message : String(fault);
  return kind.isSecret ? `${name} ${reason}` : `${name} is "${shown(given ?? "")}": ${reason}`;
}

/** A value as an error may show it, without the password inside a URL. */
function shown(value: string): string {
  // Up to the last @: a password that was not encoded may hold @ and / itself.
  return value.replace(/^([a-z+.-]*:\/\/)?.*@/is, "$1(hidden)@").slice(0, 200);
}

/**
 * Faults in the relation of two settings. Settings with a fault of their own are undefined here, and compare as
 * false.
 */
function relationFaults({
  service,
  http,
  instances,
  admission,
  consoles,
  hosts,
  edge,
  balance,
  jobs,
  notifications,
  warmPool,
}: Settings): string[] {
  const faults = [
    ...notificationFaults(notifications),
    ...warmPoolFaults(warmPool),
    ...edgeFaults(edge, instances),
    ...balanceFaults(balance, edge),
  ];
  if (jobs.accessRecordDays !== undefined && jobs.accessRecordDays > jobs.historyDays)
    faults.push(
      `ACCESS_RECORD_DAYS (${jobs.accessRecordDays}) is more than HISTORY_DAYS (${jobs.historyDays}), ` +
        "after which the instances themselves are forgotten",
    );
  if (instances.leaseMinSeconds > instances.leaseSeconds)
    faults.push(
      `LEASE_MIN_SECONDS (${instances.leaseMinSeconds}) is more than LEASE_SECONDS (${instances.leaseSeconds})`,
    );
  if (instances.leaseSeconds > instances.leaseMaxSeconds)
    faults.push(
      `LEASE_SECONDS (${instances.leaseSeconds}) is more than LEASE_MAX_SECONDS (${instances.leaseMaxSeconds})`,
    );
  if (instances.memoryLimitMb < instances.memoryMb + 16)
    faults.push(
      `INSTANCE_MEMORY_LIMIT_MB (${instances.memoryLimitMb}) must exceed INSTANCE_MEMORY_MB (${instances.memoryMb}) ` +
        "by 16 or more, for buffers and Redis itself",
    );
  if (admission.quotaPerNetwork !== undefined && admission.quotaPerNetwork < instances.quotaPerAddress)
    faults.push(
      `QUOTA_PER_NETWORK (${admission.quotaPerNetwork}) is less than QUOTA_PER_ADDRESS (${instances.quotaPerAddress})`,
    );
  if (admission.startsPerNetwork < admission.startsPerAddress)
    faults.push(
      `STARTS_PER_NETWORK_PER_DAY (${admission.startsPerNetwork}) is less than ` +
        `STARTS_PER_ADDRESS_PER_DAY (${admission.startsPerAddress})`,
    );
  if (consoles.replyMb > consoles.replyMbPerMinute)
    faults.push(
      `CONSOLE_REPLY_MB (${consoles.replyMb}) is more than CONSOLE_REPLY_MB_PER_MINUTE (${consoles.replyMbPerMinute})`,
    );
  if (hosts.heartbeatSeconds >= hosts.heartbeatTtlSeconds)
    faults.push(
      `HEARTBEAT_SECONDS (${hosts.heartbeatSeconds}) must be less than ` +
        `HEARTBEAT_TTL_SECONDS (${hosts.heartbeatTtlSeconds}), or live hosts look silent between two heartbeats`,
    );
  const slots = hosts.capacity ?? MOST_SLOTS;
  if (hosts.basePort + slots > 65_536)
    faults.push(
      `HOST_BASE_PORT (${hosts.basePort}) + HOST_CAPACITY (${hosts.capacity ?? `${slots} at most by itself`}) ` +
        "passes port 65535",
    );
  if (instances.readyTimeoutMs > instances.handoutTimeoutMs)
    faults.push(
      `READY_TIMEOUT_SECONDS (${instances.readyTimeoutMs / SECOND}) is more than ` +
        `HANDOUT_TIMEOUT_SECONDS (${instances.handoutTimeoutMs / SECOND})`,
    );
  if (http.connectionsPerAddress > http.connections)
    faults.push(
      `HTTP_CONNECTIONS_PER_ADDRESS (${http.connectionsPerAddress}) is more than HTTP_CONNECTIONS (${http.connections})`,
    );
  if (service.redisUrl !== undefined && !["", "/", "/0"].includes(new URL(service.redisUrl).pathname))
    faults.push("REDIS_URL names a database other than 0, but heartbeats are written to database 0");
  return faults;
}
