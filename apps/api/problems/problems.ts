import type { ChangeLeaseResult } from "../../core/instances/change-lease.ts";
import type { ConsoleRefusal } from "../../core/console/run-command.ts";
import type { CreateResult } from "../../core/instances/handout.ts";
import { generalProblems, type Problem } from "../../lib/http/problem.ts";

/** Every refusal that a caller can get, by name. Statuses are in this file only. */
export const problems = {
  ...generalProblems,
  tokenMissing: (): Problem => ({
    type: "urn:getaredis:token-missing",
    title: "A token is needed",
    status: 401,
    detail: "Send the token that came with the instance as the header Authorization: Bearer <token>.",
  }),
  opsTokenMissing: (): Problem => ({
    type: "urn:getaredis:token-missing",
    title: "A token is needed",
    status: 401,
    detail: "Log in at /ops, or send the operator's token as the header Authorization: Bearer <token>.",
  }),
  tokenWrong: (): Problem => ({
    type: "urn:getaredis:token-wrong",
    title: "The token does not fit",
    status: 403,
    detail: "This token does not give access here. Check that it was copied whole.",
  }),
  passwordWrong: (): Problem => ({
    type: "urn:getaredis:password-wrong",
    title: "The password does not fit",
    status: 403,
    detail: "The instance does not accept this password. It came with the instance, beside the token.",
  }),
  crossSite: (): Problem => ({
    type: "urn:getaredis:cross-site",
    title: "Another site sent this request",
    status: 403,
    detail: "Open the page of this service and press the button there.",
  }),
  otherHost: (name: string): Problem => ({
    type: "urn:getaredis:other-host",
    title: "This service has another name",
    status: 421,
    detail:
      `It does not answer to ${JSON.stringify(name.slice(0, 100))}. Use its own name or address; ` +
      "whoever runs it can add this name to the setting ALLOWED_HOSTS.",
  }),
  metricsTokenMissing: (): Problem => ({
    type: "urn:getaredis:token-missing",
    title: "A token is needed",
    status: 401,
    detail: "Send METRICS_TOKEN as the header Authorization: Bearer <token>.",
  }),
  metricsElsewhere: (): Problem => ({
    type: "urn:getaredis:metrics-closed",
    title: "Metrics are not for your address",
    status: 403,
    detail:
      "They are open to programs on the machine that this service runs on. Whoever runs it can set METRICS_TOKEN " +
      "to read them from elsewhere.",
  }),
  noRoute: (method: string, path: string): Problem => ({
    type: "urn:getaredis:not-found",
    title: "There is nothing here",
    status: 404,
    detail: `${method} ${path} is not something this service answers; see /docs.`,
  }),
  nothingOfThatName: (): Problem => ({
    type: "urn:getaredis:not-found",
    title: "There is nothing here",
    status: 404,
    detail: "Nothing has an id or name of this shape.",
  }),
  noInstance: (): Problem => ({
    type: "urn:getaredis:not-found",
    title: "No such instance",
    status: 404,
    detail: "No instance has this id. It may have ended so long ago that it is forgotten.",
  }),
  noHost: (): Problem => ({
    type: "urn:getaredis:not-found",
    title: "No such host",
    status: 404,
    detail: "No host has this name; GET /ops/api/hosts lists them.",
  }),
  notAcceptable: (): Problem => ({
    type: "urn:getaredis:not-acceptable",
    title: "No such format",
    status: 406,
    detail: "This service answers as application/json, text/plain or text/html; adapt the Accept header.",
  }),
  repliesSpent: (retryAfterMs: number, mbPerMinute: number): Problem => {
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    return {
      type: "urn:getaredis:replies-spent",
      title: "Too long replies",
      status: 429,
      detail:
        `The console shows ${mbPerMinute} MB of replies a minute to an address or of an instance, and these are spent. ` +
        `Try again in ${retryAfterSeconds} s, or use redis-cli or a client.`,
      retryAfterSeconds,
    };
  },
  consoleBusy: (): Problem => ({
    type: "urn:getaredis:console-busy",
    title: "Too much at once",
    status: 503,
    detail: "Earlier commands are still running. Try again when they have their replies.",
    retryAfterSeconds: 2,
  }),
  instanceSilent: (): Problem => ({
    type: "urn:getaredis:instance-silent",
    title: "The instance does not answer",
    status: 503,
    detail: "No connection to it could be made. Try again in a moment.",
    retryAfterSeconds: 2,
  }),
  notOurs: (): Problem => ({
    type: "urn:getaredis:not-ours",
    title: "Not ours to destroy",
    status: 409,
    detail: "This host is no droplet of the fleet. Drain it, and take it down yourself.",
  }),
  stillOrdered: (): Problem => ({
    type: "urn:getaredis:still-ordered",
    title: "Not there yet",
    status: 409,
    detail: "The cloud has not yet reported which droplet this is. Try again in a moment.",
  }),
  leased: (leases: number): Problem => ({
    type: "urn:getaredis:host-leased",
    title: "People hold instances there",
    status: 409,
    detail:
      `This host has ${leases} ${leases === 1 ? "lease" : "leases"}. ` +
      "Drain it and wait, or confirm with its name that they will be lost.",
  }),
  notBlocked: (): Problem => ({
    type: "urn:getaredis:not-found",
    title: "Not blocked",
    status: 404,
    detail: "This address or network is not blocked by itself; GET /ops/api/blocks lists those that are.",
  }),
  noJob: (): Problem => ({
    type: "urn:getaredis:not-found",
    title: "No such job",
    status: 404,
    detail: "No job of this name has ever run; GET /ops/api/jobs lists them.",
  }),
  tooManyStreams: (most: number): Problem => ({
    type: "urn:getaredis:too-many-streams",
    title: "Too many dashboards are open",
    status: 503,
    detail: `${most} follow the fleet already, which is the setting OPERATOR_STREAMS. Close one, and try again.`,
    retryAfterSeconds: 5,
  }),
  nobodyListens: (): Problem => ({
    type: "urn:getaredis:no-jobs-process",
    title: "Nobody runs jobs",
    status: 503,
    detail: "No process that runs jobs received the request. Check whether one is up.",
    retryAfterSeconds: 5,
  }),
  ended: (): Problem => ({
    type: "urn:getaredis:instance-ended",
    title: "The instance has ended",
    status: 409,
    detail: "Its lease is over and cannot be changed any more. Get another one.",
  }),
} as const;

/** The problem of a hand-out that failed. The advice when to try again is counted from `now`. */
export function problemOfCreate(result: Exclude<CreateResult, { kind: "created" }>, now: Date): Problem {
  switch (result.kind) {
    case "lease-out-of-bounds":
      return problems.invalid(`ttlSeconds must be from ${result.leastSeconds} to ${result.mostSeconds}.`);
    case "quota-exceeded": {
      const seconds = secondsUntil(result.nextFreeAt, now);
      return {
        type: "urn:getaredis:quota-exceeded",
        title: "Your address has all its instances",
        status: 403,
        detail:
          `An address may hold ${result.quota} at once. ` +
          `End one of them, or wait ${duration(seconds)}: that is when the first one ends by itself.`,
      };
    }
    case "network-quota-exceeded": {
      const seconds = secondsUntil(result.nextFreeAt, now);
      return {
        type: "urn:getaredis:network-quota-exceeded",
        title: "Your network has all its instances",
        status: 403,
        detail:
          `The addresses of a network may hold ${result.most} at once, however many people share them. ` +
          `End one of them, or wait ${duration(seconds)}: that is when the first one ends by itself.`,
      };
    }
    case "starts-exceeded": {
      const retryAfterSeconds = secondsUntil(result.nextFreeAt, now);
      return {
        type: "urn:getaredis:starts-exceeded",
        title: `Your ${result.of} has had its instances of today`,
        status: 429,
        detail:
          (result.of === "address"
            ? `An address may begin ${result.most} within a day. `
            : `The addresses of a network may begin ${result.most} within a day, however many people share them. `) +
          `Running instances go on. Try again in ${duration(retryAfterSeconds)}.`,
        retryAfterSeconds,
      };
    }
    case "work-needed":
      return workNeeded(result, now);
    case "rate-exceeded":
      return {
        type: "urn:getaredis:busy",
        title: "Too many people at once",
        status: 429,
        detail:
          `The service hands out ${result.handoutsPerMinute} instances a minute, and part of them only to those who ` +
          "have had none today. Try again in a moment.",
        retryAfterSeconds: 10,
      };
    case "kept-for-newcomers":
      return {
        type: "urn:getaredis:kept-for-newcomers",
        title: "Nearly full",
        status: 503,
        detail:
          "The last free places are kept for those who hold none and have had none within a day. " +
          "Running instances go on; try again in some minutes.",
        retryAfterSeconds: 60,
      };
    case "blocked":
      return {
        type: "urn:getaredis:address-blocked",
        title: "Your address gets no instances",
        status: 403,
        detail: "This IP address, or the network that it is in, has been blocked by the operator of this service.",
      };
    case "paused":
      return {
        type: "urn:getaredis:paused",
        title: "No instances for a while",
        status: 503,
        detail:
          "The operator of this service has paused hand-outs. Running instances go on; try again in some minutes.",
        retryAfterSeconds: 60,
      };
    case "no-capacity":
      return {
        type: "urn:getaredis:no-capacity",
        title: "No room right now",
        status: 503,
        detail: capacityDetails[result.reason],
        retryAfterSeconds: result.reason === "no-open-host" ? 10 : 5,
      };
    case "idempotency-key-reused":
      return {
        type: "urn:getaredis:idempotency-key-reused",
        title: "The idempotency key is taken",
        status: 409,
        detail: "This Idempotency-Key came before with another request. Use a new key for a new request.",
      };
    case "idempotency-key-in-progress":
      return {
        type: "urn:getaredis:idempotency-key-in-progress",
        title: "The first request is still under way",
        status: 503,
        detail: "The first request with this Idempotency-Key has no answer yet. Send it again in a moment.",
        retryAfterSeconds: 2,
      };
    case "abandoned":
      return {
        type: "urn:getaredis:abandoned",
        title: "The caller hung up",
        status: 499,
        detail: "The connection closed before the instance was ready, so it was undone.",
      };
  }
}

/** A challenge for a program, and in words for a person at a terminal or at the page without JavaScript. */
function workNeeded(
  { challenge, expiresAt, fault }: Extract<CreateResult, { kind: "work-needed" }>,
  now: Date,
): Problem {
  const { text, bits } = challenge;
  return {
    type: "urn:getaredis:proof-of-work-needed",
    title: "A little work first",
    status: 429,
    detail:
      (fault === undefined ? "" : `${proofFaults[fault]} `) +
      "Many want an instance at this moment, so a request must bring a proof of work. The page finds one by itself " +
      `where JavaScript is on. Other clients: find a number n for which the SHA-256 of ${text}:n begins with ${bits} ` +
      `zero bits, and send the request again within ${duration(secondsUntil(expiresAt, now))} with the header ` +
      `${PROOF_HEADER}: ${text}:n. /docs has a client in ten lines.`,
    retryAfterSeconds: 0,
    members: { challenge: text, bits, algorithm: "SHA-256", header: PROOF_HEADER, expiresAt: expiresAt.toISOString() },
  };
}

const PROOF_HEADER = "Proof-Of-Work";
const proofFaults = {
  wrong: "The proof of work that came does not fit its challenge and this address.",
  expired: "The proof of work that came is too old.",
  "too-easy": "The proof of work that came is too easy by now.",
  used: "The proof of work that came has been used before.",
};

const capacityDetails: Readonly<Record<Extract<CreateResult, { kind: "no-capacity" }>["reason"], string>> = {
  "fleet-unseen":
    "The service cannot see its hosts at this moment. Nothing was handed out; try again in a few seconds.",
  "no-open-host": "No host can take another instance at this moment. Nothing was handed out; try again in a while.",
  "hosts-failed":
    "The hosts with room failed to start an instance. Nothing was handed out; try again in a few seconds.",
  "too-slow": "Starting an instance took too long, so it was undone. Try again in a few seconds.",
};

/** The problem of a lease that was not changed. */
export function problemOfChange(result: Exclude<ChangeLeaseResult, { kind: "changed" }>): Problem {
  if (result.kind === "not-running") return problems.ended();
  return result.mostSeconds < result.leastSeconds
    ? problems.invalid("This instance has reached its longest lifetime; it cannot be extended.")
    : problems.invalid(`ttlSeconds must be from ${result.leastSeconds} to ${result.mostSeconds}, counted from now.`);
}

/** The problem of a console command, or of a request for figures, that did not reach the instance. */
export function problemOfConsole(result: ConsoleRefusal): Problem {
  switch (result.kind) {
    case "not-running":
      return problems.ended();
    case "wrong-password":
      return problems.passwordWrong();
    case "busy":
      return problems.consoleBusy();
    case "unreachable":
      return problems.instanceSilent();
  }
}

const operatorsAlone = new Set<string>(
  ["address-blocked", "quota-exceeded", "network-quota-exceeded", "starts-exceeded"].map(
    (name) => `urn:getaredis:${name}`,
  ),
);

/** Whether nobody but the operator can do something about a problem: more of what is bounded, or a block's end. */
export function isForOperator({ type }: Problem): boolean {
  return operatorsAlone.has(type);
}

/** Texts for what Fastify finds wrong before a handler sees the request. */
export const unreadable: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "Send a body as application/json, or as a form (application/x-www-form-urlencoded).",
  FST_ERR_CTP_INVALID_JSON_BODY: "The body is not valid JSON.",
  FST_ERR_CTP_BODY_TOO_LARGE: "The body has more than 16 KiB.",
};

function secondsUntil(moment: Date, now: Date): number {
  return Math.max(1, Math.ceil((moment.getTime() - now.getTime()) / 1000));
}

/** Seconds in words, rounded up to the unit that fits: "40 s", "12 min", "3 h". */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.ceil(seconds / 3600)} h`;
}
