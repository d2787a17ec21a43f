import { admit, type Admitted, type AdmitPorts } from "../admission/admit.ts";
import { readProof } from "../admission/proof.ts";
import type { EdgeRoutes } from "../edge/edge-routes.ts";
import { leaseSeconds, type LeaseBounds } from "./instance.ts";
import type { Host } from "../fleet/host.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { handOutOn, type Attempt, type HandOutPorts } from "./hand-out-on.ts";
import type { CreateRequest, CreateResult } from "./handout.ts";
import { networkKey } from "./quota.ts";
import { claimOf, replayAnswer, type ReplayPorts } from "./replay-answer.ts";

/** What a hand-out needs. */
export type CreatePorts = HandOutPorts &
  ReplayPorts &
  AdmitPorts & {
    readonly fleet: Pick<FleetCache, "nextHost" | "isBlind" | "countFull" | "backOff">;
    readonly edge?: EdgeRoutes | undefined;
    readonly rules: HandoutRules;
  };

/** Settings of hand-outs. */
export type HandoutRules = HandOutPorts["rules"] &
  ReplayPorts["rules"] &
  AdmitPorts["rules"] & { readonly lease: LeaseBounds };

/**
 * Hands out one instance: admits the caller, takes a slot of the first open host and a quota place in one
 * transaction, starts the container, and waits for its `PONG` before it answers. A failure undoes all that was
 * taken and continues with the next host. A retry with a known idempotency key gets the first answer.
 * @throws Unavailable when MySQL does not answer
 */
export async function createInstance(ports: CreatePorts, request: CreateRequest): Promise<CreateResult> {
  const { rules, clock } = ports;
  const { address } = request;
  const ttlSeconds = leaseSeconds(request.ttlSeconds, rules.lease);
  if (typeof ttlSeconds !== "number") return ttlSeconds;
  const deadline = new Date(clock().getTime() + rules.timeoutMs);
  const claim = claimOf(request);
  const proof =
    request.proof === undefined
      ? undefined
      : (readProof(request.proof, { serverSecret: rules.serverSecret, address }) ?? false);
  // What is no proof at all costs the store nothing; a used one may come with the retry of an answer that was lost.
  const known = proof !== false && claim && (await ports.store.handouts.readClaim(address, claim.keyHash, clock()));
  const replay = known && (await replayAnswer(ports, request, known, deadline));
  if (replay && replay !== "undone") return replay;
  // Nobody works for what is not there.
  if (!nextHost(ports, ttlSeconds)) return { kind: "no-capacity", reason: whyNone(ports, 0) };
  if (ports.edge?.isServed() === false) return { kind: "no-capacity", reason: "no-gateway" };

  const admitted = await admit(ports, { address, network: networkKey(address), proof });
  if (admitted.kind !== "admitted") return admitted;
  const { newcomersOnly } = admitted;
  let result: CreateResult | undefined;
  try {
    result = await tryHosts(ports, request, { ...request, ttlSeconds, claim, deadline, newcomersOnly });
    return result;
  } finally {
    await settle(admitted, result);
  }
}

/** Tries one host after the other; `request` is as it came, for the hash of its idempotency key. */
async function tryHosts(ports: CreatePorts, request: CreateRequest, attempt: Attempt): Promise<CreateResult> {
  let failures = 0;
  for (;;) {
    const host = nextHost(ports, attempt.ttlSeconds);
    if (!host) return { kind: "no-capacity", reason: whyNone(ports, failures) };
    const outcome = await handOutOn(ports, host, attempt);
    if (outcome.kind === "known") {
      // The same key came twice at once, and the other request was first.
      const answer = await replayAnswer(ports, request, outcome, attempt.deadline);
      if (answer !== "undone") return answer;
    } else if (outcome.kind === "host-full" || outcome.kind === "host-closed") {
      ports.fleet.countFull(host.name);
    } else if (outcome.kind === "host-failed") {
      failures++;
      ports.fleet.backOff(host.name, ports.clock());
    } else if (outcome.kind !== "withdrawn") {
      return outcome;
    }
    if (attempt.signal.aborted && !attempt.claim) return { kind: "abandoned" };
    if (ports.clock() >= attempt.deadline) return { kind: "no-capacity", reason: "too-slow" };
  }
}

/**
 * What came to nothing is no start. The work for it is good for another try where it failed on our side, or was
 * another request's; a caller that hangs up again and again has begun each time.
 */
async function settle(admitted: Admitted, result: CreateResult | undefined): Promise<void> {
  if (result?.kind === "abandoned" || (result?.kind === "created" && !result.replayed)) return;
  const isOurs = result === undefined || result.kind === "no-capacity" || result.kind === "created";
  await admitted.takeBack({ proof: isOurs });
}

function nextHost({ fleet, clock }: CreatePorts, ttlSeconds: number): Host | undefined {
  const now = clock();
  return fleet.nextHost(now, new Date(now.getTime() + ttlSeconds * 1000));
}

function whyNone(ports: CreatePorts, failures: number): "fleet-unseen" | "no-open-host" | "hosts-failed" {
  if (ports.fleet.isBlind(ports.clock())) return "fleet-unseen";
  return failures > 0 ? "hosts-failed" : "no-open-host";
}
