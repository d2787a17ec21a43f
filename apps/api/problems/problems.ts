import type { ChangeLeaseResult } from "../../core/instances/change-lease.ts";
import type { ConsoleRefusal } from "../../core/console/run-command.ts";
import type { CreateResult } from "../../core/instances/handout.ts";
import type { Caller, OperatorRole } from "../../core/operator/operators.ts";
import { generalProblems, problemsOf, type Problem } from "../../lib/http/problem.ts";
import { problemTypes } from "./problem-types.ts";

const problem = problemsOf(problemTypes);

/** Every refusal that a caller can get, by name. Statuses and titles are those of its type. */
export const problems = {
  ...generalProblems,
  /** @param challenges values of `WWW-Authenticate`: how the caller may authenticate */
  tokenMissing: (challenges: readonly string[]) =>
    problem(
      "token-missing",
      "Send the token or the Redis password that came with the instance: Authorization: Bearer <token>, or " +
        "curl -u default:<password>.",
      { challenges },
    ),
  opsTokenMissing: () =>
    problem("token-missing", "Log in at /ops, or send an operator's token: Authorization: Bearer <token>.", {
      challenges: ['Bearer realm="operator"'],
    }),
  opsTokenWrong: () =>
    problem(
      "token-wrong",
      "No operator has this token. Check that you copied all of it. If it was revoked, ask an admin for another one.",
    ),
  opsTokenExpired: (name: string, at: Date) =>
    problem("token-expired", `The token of ${name} expired on ${at.toISOString()}. Ask an admin to set a new expiry.`),
  roleNeeded: ({ name, role }: Caller, needed: OperatorRole) =>
    problem("role-needed", `This call needs the role ${needed}, and ${name} is ${role}. Ask an admin to change that.`, {
      members: { role, needed },
    }),
  operatorExists: (name: string) =>
    problem("operator-exists", `There is an operator ${name} already. Choose another name, or revoke that one first.`),
  noOperator: () => problem("not-found", "Operator not found. GET /ops/api/operators lists all operators."),
  firstAdmin: () =>
    problem(
      "first-admin",
      "The token of this admin is the setting OPS_TOKEN. To replace it, change that setting and restart the API.",
    ),
  metricsTokenMissing: () =>
    problem("token-missing", "Send METRICS_TOKEN as the header Authorization: Bearer <token>.", {
      challenges: ['Bearer realm="metrics"'],
    }),
  tokenWrong: () => problem("token-wrong", "Check that you copied all of it."),
  passwordWrong: () =>
    problem("password-wrong", "Check that you copied all of it. It came with the instance, beside the token."),
  crossSite: () => problem("cross-site", "Open the page of this service and press the button there."),
  otherHost: (name: string) =>
    problem(
      "other-host",
      `This service does not answer to ${JSON.stringify(name.slice(0, 100))}. Use its own name or address. ` +
        "If you run it, add this name to the setting ALLOWED_HOSTS.",
    ),
  metricsElsewhere: () =>
    problem(
      "metrics-closed",
      "Only programs on the machine of this service may read them. If you run it, set METRICS_TOKEN to read them from " +
        "elsewhere.",
    ),
  noRoute: (path: string) => problem("not-found", `Page not found: ${path}. All calls are listed at /docs.`),
  noInstanceId: () =>
    problem(
      "not-found",
      "That is not a valid instance id. Use its 16 letters and digits, or the instance's host:port.",
    ),
  noSecurityText: () =>
    problem(
      "not-found",
      "Page not found: /.well-known/security.txt. The operator of this service has named no contact by mail or https " +
        "(the setting CONTACT).",
    ),
  nothingOfThatName: () => problem("not-found", "That is not a valid name."),
  noInstance: () =>
    problem("not-found", "Instance not found. Check the id; instances that ended some time ago are deleted."),
  notHeld: () =>
    problem(
      "not-found",
      "This browser does not hold this Redis. It is shown only in the browser that got it, until an hour after its end.",
    ),
  noInstanceAt: () =>
    problem("not-found", "Instance not found. Nothing runs at this address now: it has ended, or its host is another."),
  noHost: () => problem("not-found", "Host not found. GET /ops/api/hosts lists all hosts."),
  notBlocked: () =>
    problem("not-found", "Block not found. GET /ops/api/blocks lists all blocked addresses and networks."),
  notBalanced: () => problem("not-found", "Port not balanced. GET /ops/api/ports lists all balanced ports."),
  noService: () => problem("not-found", "Service not found. GET /ops/api/services lists all services."),
  noMember: () =>
    problem("not-found", "Member not found. GET /ops/api/services lists all services with their members."),
  noAnnouncer: () => problem("not-found", "Announcer not found. GET /ops/api/announcers lists all announcers."),
  noWorkload: () => problem("not-found", "Workload not found. GET /ops/api/workloads lists all workloads."),
  noJob: () => problem("not-found", "Job not found. GET /ops/api/jobs lists all jobs that have run."),
  notAcceptable: () =>
    problem(
      "not-acceptable",
      "This call answers in application/json, text/plain, text/html or text/markdown. Change the Accept header.",
    ),
  repliesSpent: (retryAfterMs: number, mbPerMinute: number) => {
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    return problem(
      "replies-spent",
      `The console shows ${mbPerMinute} MB of replies a minute to an IP address or of an instance. ` +
        `Try again in ${retryAfterSeconds} s, or use redis-cli or a client.`,
      { retryAfterSeconds },
    );
  },
  consoleBusy: () =>
    problem("console-busy", "Earlier commands are still running. Try again when they have finished.", {
      retryAfterSeconds: 2,
    }),
  instanceSilent: () =>
    problem("instance-silent", "The service could not connect to it. Try again in a few seconds.", {
      retryAfterSeconds: 2,
    }),
  scriptRunning: () =>
    problem(
      "script-running",
      "The instance runs nothing else until the script ends. SCRIPT KILL stops it, unless it has written data.",
      { retryAfterSeconds: 2 },
    ),
  notOurs: () => problem("not-ours", "This host is not a droplet of the fleet. Drain it, and take it down yourself."),
  stillOrdered: () =>
    problem("still-ordered", "The cloud has not reported this droplet yet. Try again in a few seconds."),
  leased: (leases: number) =>
    problem(
      "host-leased",
      `This host runs ${leases} ${leases === 1 ? "instance" : "instances"}. ` +
        "Drain it and wait until they have ended, or type its name to confirm that they will be lost.",
    ),
  inUse: () =>
    problem(
      "host-in-use",
      "This host balances ports or runs workloads. Remove them first, or type its name to confirm that they will be lost.",
    ),
  notPossibleHere: (reason: string) => problem("not-possible-here", reason),
  tooManyStreams: (most: number) =>
    problem("too-many-streams", `OPERATOR_STREAMS allows ${most} at once. Close one and try again.`, {
      retryAfterSeconds: 5,
    }),
  nobodyListens: () =>
    problem("no-jobs-process", "No process that runs jobs received the request. Check whether one is running.", {
      retryAfterSeconds: 5,
    }),
  noChannel: (channel: "webhook" | "mail") =>
    problem(
      "no-channel",
      channel === "webhook"
        ? "Set WEBHOOK_URL and WEBHOOK_SECRET, and restart the API and the jobs."
        : "Set SMTP_URL, MAIL_FROM and MAIL_TO, and restart the API and the jobs.",
    ),
  noEdge: () =>
    problem("no-edge", "EDGE_DOMAIN is not set, so holders connect to the hosts and there are no gateways."),
  ended: () => problem("instance-ended", "Its time is over, so it cannot be used or extended any more. Get a new one."),
} as const;

/**
 * The problem of a hand-out that failed. The advice when to try again is counted from `now`.
 * @param origin of this service as the caller reached it, for a command that ends an instance
 */
export function problemOfCreate(
  result: Exclude<CreateResult, { kind: "created" }>,
  origin: string,
  now: Date,
): Problem {
  switch (result.kind) {
    case "lease-out-of-bounds":
      return problems.invalid(`ttlSeconds must be from ${result.leastSeconds} to ${result.mostSeconds}.`);
    case "quota-exceeded":
      return quotaProblem(
        "quota-exceeded",
        `You have reached the limit of ${counted(result.quota)} for your IP address.`,
        result.nextFreeAt,
        origin,
        now,
      );
    case "network-quota-exceeded":
      return quotaProblem(
        "network-quota-exceeded",
        `The addresses of your network have reached their limit of ${counted(result.most)}.`,
        result.nextFreeAt,
        origin,
        now,
      );
    case "starts-exceeded": {
      const retryAfterSeconds = secondsUntil(result.nextFreeAt, now);
      const who = result.of === "address" ? "Your IP address has" : "The addresses of your network have";
      return problem(
        "starts-exceeded",
        `${who} started ${counted(result.most)} within a day, which is the limit. Running instances go on. ` +
          `Try again in ${duration(retryAfterSeconds)}.`,
        { retryAfterSeconds },
      );
    }
    case "work-needed":
      return workNeeded(result, now);
    case "rate-exceeded":
      return problem(
        "busy",
        `The service hands out ${counted(result.handoutsPerMinute)} a minute, and keeps some of them for people who ` +
          "have had none today. Try again in 10 s.",
        { retryAfterSeconds: 10 },
      );
    case "kept-for-newcomers":
      return problem(
        "kept-for-newcomers",
        "The last free places are kept for people who have had no instance today. Running instances go on. " +
          "Try again in a few minutes.",
        { retryAfterSeconds: 60 },
      );
    case "blocked":
      return problem("address-blocked", "The operator of this service has blocked it, or the network that it is in.");
    case "paused":
      return problem(
        "paused",
        "The operator of this service has paused them. Running instances go on. Try again in a few minutes.",
        { retryAfterSeconds: 60 },
      );
    case "no-capacity":
      return problem("no-capacity", capacityDetails[result.reason], {
        retryAfterSeconds: result.reason === "no-open-host" ? 10 : 5,
      });
    case "idempotency-key-reused":
      return problem(
        "idempotency-key-reused",
        "This key came before with another request. Use a new key for a new request.",
      );
    case "idempotency-key-in-progress":
      return problem(
        "idempotency-key-in-progress",
        "The first request with this Idempotency-Key has no answer yet. Send it again in a few seconds.",
        { retryAfterSeconds: 2 },
      );
    case "abandoned":
      return problem("abandoned", "The connection was closed before the instance was ready, so it was undone.");
  }
}

/** A refusal of somebody whose address or network holds all that it may: with the ways out. */
function quotaProblem(
  name: "quota-exceeded" | "network-quota-exceeded",
  fact: string,
  nextFreeAt: Date,
  origin: string,
  now: Date,
): Problem {
  return problem(
    name,
    `${fact} End one of them, or wait ${duration(secondsUntil(nextFreeAt, now))} until the first one expires. ` +
      "You end one on this service's page in the browser that got it, or with its password " +
      `(curl -u default:PASSWORD -X DELETE ${origin}/instances/HOST:PORT).`,
    { members: { nextFreeAt: nextFreeAt.toISOString() } },
  );
}

function counted(instances: number): string {
  return `${instances} ${instances === 1 ? "instance" : "instances"}`;
}

/** A challenge for a program, and in words for a person at a terminal or at the page without JavaScript. */
function workNeeded(
  { challenge, expiresAt, fault }: Extract<CreateResult, { kind: "work-needed" }>,
  now: Date,
): Problem {
  const { text, bits } = challenge;
  return problem(
    "proof-of-work-needed",
    (fault === undefined ? "" : `${proofFaults[fault]} `) +
      "Many people want an instance now, so each request needs a proof of work. The page finds one by itself " +
      `if JavaScript is on. Other clients: find a number n for which the SHA-256 of ${text}:n begins with ${bits} ` +
      `zero bits, and send the request again within ${duration(secondsUntil(expiresAt, now))} with the header ` +
      `${PROOF_HEADER}: ${text}:n. /docs has a client in ten lines.`,
    {
      retryAfterSeconds: 0,
      members: {
        challenge: text,
        bits,
        algorithm: "SHA-256",
        header: PROOF_HEADER,
        expiresAt: expiresAt.toISOString(),
      },
    },
  );
}

const PROOF_HEADER = "Proof-Of-Work";
const proofFaults = {
  wrong: "The proof of work in this request does not solve its challenge for this IP address.",
  expired: "The proof of work in this request is too old.",
  "too-easy": "The proof of work in this request is too easy by now.",
  used: "The proof of work in this request has been used before.",
};

const capacityDetails: Readonly<Record<Extract<CreateResult, { kind: "no-capacity" }>["reason"], string>> = {
  "fleet-unseen": "The service cannot reach its hosts. Nothing was started. Try again in a few seconds.",
  "no-open-host": "All places are taken. Nothing was started. Try again in a few minutes.",
  "hosts-failed": "The hosts with room could not start an instance. Nothing is left of it. Try again in a few seconds.",
  "too-slow": "Starting an instance took too long, so it was undone. Try again in a few seconds.",
  "no-gateway": "No gateway is up that leads to instances. Nothing was started. Try again in a few seconds.",
  "not-carried": "Not all gateways have taken on the new instance, so it was undone. Try again in a few seconds.",
};

/** The problem of a lease that was not changed. */
export function problemOfChange(result: Exclude<ChangeLeaseResult, { kind: "changed" }>): Problem {
  if (result.kind === "not-running") return problems.ended();
  return result.mostSeconds < result.leastSeconds
    ? problems.invalid("This instance has reached its longest lifetime, so it cannot be extended.")
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
    case "script-running":
      return problems.scriptRunning();
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
  FST_ERR_CTP_INVALID_MEDIA_TYPE:
    "Send the body as application/json, or as a form (application/x-www-form-urlencoded).",
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
