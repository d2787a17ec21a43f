import { generalProblemTypes, type ProblemType } from "../../lib/http/problem.ts";

/**
 * Every type of problem that the API answers with, by the last part of its URN `urn:getaredis:<name>`, in the order of
 * the API's reference. A type keeps its name and status for good: programs tell refusals apart by it.
 */
export const problemTypes = {
  ...generalProblemTypes,
  "token-missing": {
    status: 401,
    title: "A token or password is needed",
    when: "The call is for an instance's holder or for the operator, and the request has no Authorization header.",
  },
  "token-wrong": {
    status: 403,
    title: "Wrong token",
    when: "The token or password of the Authorization header is not the one of this instance or of the operator.",
  },
  "token-expired": {
    status: 401,
    title: "The operator's token has expired",
    when: "The token was good until its expiry. An admin can set a new one.",
  },
  "role-needed": {
    status: 403,
    title: "Your role may not do this",
    when: "The operator's role is too low for the call: `role` is the one they have, `needed` the one the call needs.",
  },
  "password-wrong": {
    status: 403,
    title: "Wrong password",
    when: "The instance does not accept the password in the body.",
  },
  "cross-site": {
    status: 403,
    title: "Sent by another site",
    when: "A browser sent the request from a page of another site, which this call does not accept.",
  },
  "other-host": {
    status: 421,
    title: "Unknown host name",
    when: "The Host header has a name that this service does not answer to.",
  },
  "metrics-closed": {
    status: 403,
    title: "Metrics are not open to your address",
    when: "METRICS_TOKEN is not set, and the request for /metrics came from another machine.",
  },
  "not-found": {
    status: 404,
    title: "Not found",
    when: "There is no such page, instance, host, block, job or operator.",
  },
  "not-acceptable": {
    status: 406,
    title: "No such format",
    when: "The Accept header names no format that this call answers in.",
  },
  "instance-ended": {
    status: 409,
    title: "The instance has ended",
    when: "The instance has expired or was ended, so it cannot be changed or asked.",
  },
  "quota-exceeded": {
    status: 403,
    title: "Too many instances",
    when:
      "The IP address holds as many instances as QUOTA_PER_ADDRESS allows. `nextFreeAt` says when the first of them " +
      "expires.",
  },
  "network-quota-exceeded": {
    status: 403,
    title: "Too many instances in your network",
    when:
      "The addresses of the network hold as many instances as QUOTA_PER_NETWORK allows. `nextFreeAt` says when the " +
      "first of them expires.",
  },
  "starts-exceeded": {
    status: 429,
    title: "Too many instances today",
    when:
      "The IP address or its network has started as many instances within a day as STARTS_PER_ADDRESS_PER_DAY or " +
      "STARTS_PER_NETWORK_PER_DAY allows. Retry-After says when to come back.",
  },
  "proof-of-work-needed": {
    status: 429,
    title: "A proof of work is needed",
    when:
      "Many want an instance now. Solve `challenge` with `bits` zero bits and send the request again with the header " +
      "Proof-Of-Work.",
  },
  busy: {
    status: 429,
    title: "Too many people at once",
    when: "The service has handed out HANDOUTS_PER_MINUTE instances within a minute. Retry-After says when to come back.",
  },
  "kept-for-newcomers": {
    status: 503,
    title: "Nearly full",
    when: "The last free places are kept for addresses that have had no instance within a day.",
  },
  "address-blocked": {
    status: 403,
    title: "This IP address has been blocked",
    when: "The operator has blocked the IP address or its network. `contact` says whom to ask.",
  },
  paused: {
    status: 503,
    title: "New instances are paused",
    when: "The operator hands out no instances for now. Running ones go on.",
  },
  "no-capacity": {
    status: 503,
    title: "No room right now",
    when: "No host could start an instance now. Retry-After says when to come back.",
  },
  "idempotency-key-reused": {
    status: 409,
    title: "The Idempotency-Key has been used",
    when: "The key came before with another body.",
  },
  "idempotency-key-in-progress": {
    status: 503,
    title: "The first request is still running",
    when: "The first request with this Idempotency-Key has no answer yet. Send it again.",
  },
  abandoned: {
    status: 499,
    title: "The connection was closed",
    when: "The caller closed the connection before the instance was ready. Nobody gets this answer; it is in the log.",
  },
  "replies-spent": {
    status: 429,
    title: "Too much data in a minute",
    when: "The console has shown CONSOLE_REPLY_MB_PER_MINUTE to this address, or of this instance, within a minute.",
  },
  "console-busy": {
    status: 503,
    title: "Too many commands at once",
    when: "Earlier commands of the console still run.",
  },
  "instance-silent": {
    status: 503,
    title: "No answer from the instance",
    when: "The service cannot connect to the instance now.",
  },
  "script-running": {
    status: 503,
    title: "A script is running",
    when: "The instance runs a script, and tells nothing until it ends.",
  },
  "not-ours": {
    status: 409,
    title: "Not a droplet of the fleet",
    when: "The operator asked to destroy a host that this service did not order.",
  },
  "still-ordered": {
    status: 409,
    title: "The droplet is not there yet",
    when: "The operator asked to destroy a host whose droplet the cloud has not reported yet.",
  },
  "host-leased": {
    status: 409,
    title: "Instances are running there",
    when: "The operator asked to destroy a host with running instances and did not confirm it with the host's name.",
  },
  "host-in-use": {
    status: 409,
    title: "The host works for operators",
    when:
      "The operator asked to destroy a host that balances ports or runs workloads and did not confirm it with the host's " +
      "name.",
  },
  "not-possible-here": {
    status: 409,
    title: "That can't be set up here",
    when:
      "The operator asked for a balanced port or a workload that the host, or another port, does not allow; or for a " +
      "service, a member or an announcer that cannot stand beside those there are.",
  },
  "too-many-streams": {
    status: 503,
    title: "Too many dashboards are open",
    when: "OPERATOR_STREAMS dashboards and scripts follow this API process already.",
  },
  "operator-exists": {
    status: 409,
    title: "That name is taken",
    when: "There is an operator of this name already.",
  },
  "first-admin": {
    status: 409,
    title: "The first admin can't be changed here",
    when: "The operator's token is the setting OPS_TOKEN.",
  },
  "no-channel": {
    status: 409,
    title: "This way of telling operators is not set up",
    when: "The operator asked for a test message by webhook or mail, and the settings of that way are missing.",
  },
  "no-edge": {
    status: 409,
    title: "This service has no edge",
    when: "The operator asked about gateways, and EDGE_DOMAIN is not set.",
  },
  "no-jobs-process": {
    status: 503,
    title: "No process runs jobs",
    when: "The operator asked to run a job, and no process that runs jobs received the request.",
  },
} as const satisfies Readonly<Record<string, ProblemType>>;
