/**
 * @import { FleetOverview, HostOverview, OpsEvent, SwitchName } from "../../api-types.ts"
 * @import { Level, Note } from "../../ops-types.ts"
 */
import { hostState } from "./states.js";
import { counted, hourAndMinute, lasting } from "./words.js";

/** A job that has not run for so long is noted. */
const JOBS_SILENT_MS = 5 * 60_000;
/**
 * A job without which leases outlive their end, or the fleet does not follow its use, is stopped when it has not
 * succeeded for so long: an alarm, as in core/notifications/alarms.ts.
 */
const STOPPED_MS = 10 * 60_000;
const neededJobs = ["reap", "reconcile", "scale"];
const NAMED = 4;
/** @type {readonly HostOverview["standing"][]} */
const symptoms = ["silent", "heartbeat-refused", "engine-silent", "unreachable"];
/** @type {readonly HostOverview["standing"][]} */
const live = ["open", "full", "backing-off", "cordoned", "draining"];

/**
 * Whether the fleet is well, in one line, and what speaks against it.
 * @param {FleetOverview} overview
 * @param {readonly OpsEvent[]} alarms  Those that go on.
 * @param {number} nowMs
 * @returns {{ level: Level, headline: string, notes: Note[] }}
 */
export function verdictOf(overview, alarms, nowMs) {
  const told = hostNotes(overview);
  const notes = [
    ...told,
    ...roomNotes(overview),
    ...standbyNotes(overview),
    ...edgeNotes(overview),
    ...switchNotes(overview),
    ...jobNotes(overview, nowMs),
    ...alarmNotes(alarms, new Set(told.map(({ host }) => host))),
  ];
  const unhealthy = overview.hosts.filter(isUnhealthy).length;
  if (unhealthy > 0 && !overview.isBlind) {
    const all = counted(overview.hosts.length, "host");
    return { level: "trouble", headline: `${unhealthy} of ${all} ${unhealthy === 1 ? "is" : "are"} unhealthy`, notes };
  }
  if (notes.some(({ level }) => level === "trouble"))
    return { level: "trouble", headline: "Something is wrong", notes };
  if (notes.length > 0) return { level: "watch", headline: "Needs attention", notes };
  return {
    level: "well",
    headline: "All is well",
    notes: [
      {
        level: "well",
        text:
          `${counted(overview.hosts.filter(isLive).length, "host")} up, ${counted(overview.running, "lease")}, ` +
          `${counted(roomOf(overview), "slot")} free.`,
      },
    ],
  };
}

/**
 * What is said while nothing is heard of the fleet: how it was then is no news of how it is now.
 * @param {number} sinceMs  When it was heard of last.
 * @param {number} nowMs
 * @param {string} why  A sentence.
 * @param {string} before  The headline of then.
 * @returns {{ level: Level, headline: string, notes: Note[] }}
 */
export function unknownVerdict(sinceMs, nowMs, why, before) {
  const since = hourAndMinute(sinceMs, nowMs);
  return {
    level: "unknown",
    headline: `Unknown since ${since}`,
    notes: [noteOf("unknown", `${why} Last known state, at ${since}: ${before}.`)],
  };
}

/**
 * Slots that could be handed out now; those of the warm pool as well.
 * @param {FleetOverview} overview
 */
export function roomOf(overview) {
  return overview.hosts
    .filter(({ standing }) => standing === "open")
    .reduce((sum, { capacity, occupied, warm }) => sum + capacity - occupied + warm, 0);
}

/**
 * Whether something is wrong with a host that a person should see to.
 * @param {Pick<HostOverview, "standing">} host
 */
export function isUnhealthy({ standing }) {
  return symptoms.includes(standing);
}

/** @param {HostOverview} host */
function isLive({ standing }) {
  return live.includes(standing);
}

/**
 * @param {FleetOverview} overview
 * @returns {Note[]}
 */
function hostNotes({ isBlind, hosts }) {
  if (isBlind)
    return [
      {
        level: "trouble",
        text:
          "No heartbeats can be read, so it is unknown which hosts are alive. " +
          "Nothing is handed out, and nothing is destroyed.",
      },
    ];
  const unhealthy = hosts.filter(isUnhealthy);
  const others = unhealthy.length - NAMED;
  const backingOff = hosts.filter(({ standing }) => standing === "backing-off");
  const othersOff = backingOff.length - NAMED;
  return [
    ...unhealthy
      .slice(0, NAMED)
      .map(({ name, standing, heartbeatRefused }) =>
        noteOf(
          "trouble",
          `${name}: ${hostState(standing).word}${heartbeatRefused ? `, ${heartbeatRefused}` : ""}`,
          name,
        ),
      ),
    ...(others > 0
      ? [noteOf("trouble", `${counted(others, "more host")} ${others === 1 ? "is" : "are"} unhealthy.`)]
      : []),
    ...backingOff
      .slice(0, NAMED)
      .map(({ name }) =>
        noteOf("watch", `${name}: takes no instances for a moment, because one failed to start on it`, name),
      ),
    ...(othersOff > 0
      ? [noteOf("watch", `${counted(othersOff, "more host")} ${othersOff === 1 ? "takes" : "take"} none for a moment.`)]
      : []),
  ];
}

/**
 * @param {Level} level
 * @param {string} text
 * @param {string | null} [host]
 * @returns {Note}
 */
function noteOf(level, text, host) {
  return { level, text, ...(host && { host }) };
}

/** @param {FleetOverview} overview */
function roomNotes(overview) {
  if (overview.isBlind || roomOf(overview) > 0) return [];
  return [
    noteOf(
      "trouble",
      overview.hosts.length === 0 ? "There is no host." : "No host has room: the next request is refused.",
    ),
  ];
}

/** @param {FleetOverview} overview */
function standbyNotes({ hosts, rules, isBlind }) {
  if (!rules.isFleet || isBlind) return [];
  const ready = hosts.filter(({ isStandby }) => isStandby).length;
  if (ready >= rules.standbys) return [];
  const coming = hosts.filter(({ standing }) => standing === "booting" || standing === "ordered").length;
  const droplets = hosts.filter(({ droplet }) => droplet !== null).length;
  if (coming > 0) return [noteOf("watch", "A standby is being started.")];
  return [
    noteOf(
      "watch",
      droplets >= rules.cap
        ? `No standby is ready, and the cap of ${counted(rules.cap, "droplet")} is reached.`
        : "No standby is ready.",
    ),
  ];
}

/**
 * @param {FleetOverview} overview
 * @returns {Note[]}
 */
function edgeNotes({ edge }) {
  if (!edge) return [];
  const { hasEdge, gateways, services, ports, workloads } = edge;
  const isServed = gateways?.some(({ state }) => state === "live" || state === "draining");
  const wrong = [
    ...(gateways ?? [])
      .filter(({ state }) => state === "unreadable")
      .map(({ name }) => noteOf("watch", `Gateway ${name}: what it tells of itself cannot be read`)),
    ...(gateways ?? [])
      .filter(({ unroutable }) => unroutable !== null && unroutable > 0)
      .map(({ name, unroutable }) => noteOf("watch", `Gateway ${name}: no way to ${unroutable} instances`)),
    ...(gateways ?? [])
      .filter(({ state }) => state === "silent")
      .map(({ name }) => noteOf("watch", `Gateway ${name}: silent, and replaced if it stays so`)),
    ...services.flatMap(serviceNotes),
    ...ports
      .filter(({ state }) => state === "refused")
      .map(({ host, port, fault }) => noteOf("watch", `${host}, port ${port}: ${fault ?? "refused"}`, host)),
    ...workloads
      .filter(({ state }) => state === "failed")
      .map(({ host, name, fault }) => noteOf("watch", `${host}, ${name}: ${fault ?? "failed"}`, host)),
  ];
  return [
    ...(hasEdge && gateways !== null && !isServed
      ? [noteOf("trouble", "No gateway lives: no instance can be reached, and none is handed out.")]
      : []),
    ...wrong.slice(0, NAMED),
    ...(wrong.length > NAMED ? [noteOf("watch", `${wrong.length - NAMED} more things at the edge are not well.`)] : []),
  ];
}

/**
 * @param {NonNullable<FleetOverview["edge"]>["services"][number]} service
 * @returns {Note[]}
 */
function serviceNotes({ name, state, memberList }) {
  if (state === "down") return [noteOf("watch", `Service ${name}: no member answers`)];
  const retired = memberList.filter((member) => member.state === "retired").map(({ address }) => address);
  if (state === "degraded") return [noteOf("watch", `Service ${name}: ${retired.join(", ")} not answering`)];
  return state === "not-carried" ? [noteOf("watch", `Service ${name}: no gateway carries it`)] : [];
}

/** @param {FleetOverview} overview */
function switchNotes({ switches }) {
  /** @type {Record<SwitchName, string>} */
  const words = { handouts: "New instances are paused.", scaling: "Scaling is paused." };
  return switches.filter(({ paused }) => paused).map(({ name }) => noteOf("watch", words[name]));
}

/**
 * @param {FleetOverview} overview
 * @param {number} nowMs
 */
function jobNotes({ jobs }, nowMs) {
  const failed = jobs
    .filter(({ fault, finishedAt, startedAt }) => fault !== null && finishedAt !== null && finishedAt >= startedAt)
    .map((run) => noteOf(isStopped(run, nowMs) ? "trouble" : "watch", `Job ${run.job} failed: ${run.fault ?? ""}`));
  const reap = jobs.find(({ job }) => job === "reap");
  const silentMs = reap ? nowMs - Date.parse(reap.startedAt) : 0;
  return silentMs > JOBS_SILENT_MS
    ? [...failed, noteOf("trouble", `No job has run for ${lasting(silentMs)}. Check that the jobs process is up.`)]
    : failed;
}

/**
 * @param {FleetOverview["jobs"][number]} run
 * @param {number} nowMs
 */
function isStopped({ job, startedAt, succeededAt }, nowMs) {
  return neededJobs.includes(job) && nowMs - Date.parse(succeededAt ?? startedAt) >= STOPPED_MS;
}

/**
 * Alarms, each text once, without those of hosts that are noted already: their own state says enough.
 * @param {readonly OpsEvent[]} alarms
 * @param {ReadonlySet<string | undefined>} toldHosts
 */
function alarmNotes(alarms, toldHosts) {
  const going = alarms
    .filter(({ host }) => host === null || !toldHosts.has(host))
    .map(({ host, reason }) => noteOf("trouble", host ? `${host}: ${reason}` : reason, host));
  return going.filter(({ text }, index) => going.findIndex((other) => other.text === text) === index).slice(0, NAMED);
}
