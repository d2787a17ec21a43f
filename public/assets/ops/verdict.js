import { counted, lasting, standingWords } from "./words.js";

/** A job that has not succeeded for so long is told. */
const JOBS_SILENT_MS = 5 * 60_000;
const NAMED = 4;

/**
 * Whether the fleet is well, in one line, and what speaks against it.
 * @param alarms  Events that are alarms and go on.
 * @returns {{level: "well" | "watch" | "trouble", headline: string, notes: {level: string, text: string, host?: string}[]}}
 */
export function verdictOf(picture, alarms, nowMs) {
  const told = hostNotes(picture);
  const notes = [
    ...told,
    ...roomNotes(picture),
    ...standbyNotes(picture),
    ...switchNotes(picture),
    ...jobNotes(picture, nowMs),
    ...alarmNotes(alarms, new Set(told.map(({ host }) => host).filter(Boolean))),
  ];
  const unwell = picture.hosts.filter(isUnwell).length;
  if (unwell > 0 && !picture.isBlind)
    return {
      level: "trouble",
      headline: `${unwell} of ${counted(picture.hosts.length, "host")} ${unwell === 1 ? "is" : "are"} unwell.`,
      notes,
    };
  if (notes.some(({ level }) => level === "trouble"))
    return { level: "trouble", headline: "Something is wrong.", notes };
  if (notes.length > 0) return { level: "watch", headline: "Well enough, with an eye on it.", notes };
  const live = picture.hosts.filter(isLive);
  return {
    level: "well",
    headline: "All is well.",
    notes: [
      {
        level: "well",
        text: `${counted(live.length, "host")} up, ${counted(picture.running, "lease")} out, room for ${roomOf(picture).toLocaleString("en")} more.`,
      },
    ],
  };
}

/** Slots that could be handed out now. */
export function roomOf(picture) {
  return picture.hosts
    .filter(({ standing }) => standing === "open")
    .reduce((sum, { capacity, occupied }) => sum + capacity - occupied, 0);
}

/** Whether something is wrong with a host that a person should see to. */
export function isUnwell({ standing }) {
  return ["silent", "heartbeat-refused", "engine-silent", "unreachable"].includes(standing);
}

function isLive({ standing }) {
  return (
    standing === "open" ||
    standing === "full" ||
    standing === "backing-off" ||
    standing === "cordoned" ||
    standing === "draining"
  );
}

function hostNotes({ isBlind, hosts }) {
  if (isBlind)
    return [
      {
        level: "trouble",
        text: "Heartbeats are not heard: who is alive is unknown. Nothing is handed out, and nothing destroyed.",
      },
    ];
  const unwell = hosts.filter(isUnwell);
  const told = unwell.slice(0, NAMED).map(({ name, standing, heartbeatRefused }) => ({
    level: "trouble",
    host: name,
    text: `${name}: ${standingWords[standing]}${heartbeatRefused ? `, ${heartbeatRefused}` : ""}`,
  }));
  const others =
    unwell.length > NAMED ? [{ level: "trouble", text: `${unwell.length - NAMED} other hosts are unwell too.` }] : [];
  const backingOff = hosts
    .filter(({ standing }) => standing === "backing-off")
    .map(({ name }) => ({
      level: "watch",
      host: name,
      text: `${name}: passed over for a moment, a hand-out failed on it`,
    }));
  return [...told, ...others, ...backingOff];
}

function roomNotes(picture) {
  if (picture.isBlind || roomOf(picture) > 0) return [];
  return [
    {
      level: "trouble",
      text: picture.hosts.length === 0 ? "There is no host." : "No host has room: the next hand-out is refused.",
    },
  ];
}

function standbyNotes({ hosts, rules, isBlind }) {
  if (!rules.isFleet || isBlind) return [];
  const ready = hosts.filter(({ isStandby }) => isStandby).length;
  if (ready >= rules.standbys) return [];
  const coming = hosts.filter(({ standing }) => standing === "booting" || standing === "ordered").length;
  const droplets = hosts.filter(({ droplet }) => droplet !== null).length;
  if (coming > 0) return [{ level: "watch", text: "A standby is on its way." }];
  return [
    {
      level: "watch",
      text:
        droplets >= rules.cap
          ? `No standby, and the cap of ${counted(rules.cap, "droplet")} is reached.`
          : "No standby is ready.",
    },
  ];
}

function switchNotes({ switches }) {
  const words = { handouts: "Hand-outs are paused.", scaling: "Scaling is paused." };
  return switches.filter(({ paused }) => paused).map(({ name }) => ({ level: "watch", text: words[name] }));
}

function jobNotes({ jobs }, nowMs) {
  const failed = jobs
    .filter(({ fault, finishedAt, startedAt }) => fault !== null && finishedAt !== null && finishedAt >= startedAt)
    .map(({ job, fault }) => ({ level: "watch", text: `Job ${job} failed: ${fault}` }));
  const reap = jobs.find(({ job }) => job === "reap");
  const silentMs = reap ? nowMs - Date.parse(reap.startedAt) : 0;
  return silentMs > JOBS_SILENT_MS
    ? [...failed, { level: "trouble", text: `No job has run for ${lasting(silentMs)}: is the jobs process up?` }]
    : failed;
}

/** Of a host that is already told of, its own state says enough. */
function alarmNotes(alarms, toldHosts) {
  const going = alarms
    .filter(({ host }) => !toldHosts.has(host))
    .map(({ host, reason }) => ({
      level: "trouble",
      text: host ? `${host}: ${reason}` : reason,
      ...(host && { host }),
    }));
  return going.filter(({ text }, index) => going.findIndex((other) => other.text === text) === index).slice(0, NAMED);
}
