import type { Host } from "../fleet/host.ts";
import { leaseSeconds, type LeaseBounds } from "./instance.ts";
import type { FleetCache } from "../fleet/fleet-cache.ts";
import { handOutOn, type HandOutPorts } from "./hand-out-on.ts";
import type { CreateRequest, CreateResult } from "./handout.ts";
import { claimOf, replayAnswer, type ReplayPorts } from "./replay-answer.ts";

/** What a hand-out needs. */
export type CreatePorts = HandOutPorts &
  ReplayPorts & {
    readonly fleet: Pick<FleetCache, "openHosts" | "isBlind" | "countFull" | "backOff">;
    readonly rules: HandoutRules;
  };

/** Settings of hand-outs. */
export type HandoutRules = HandOutPorts["rules"] & ReplayPorts["rules"] & { readonly lease: LeaseBounds };

/**
 * Hands out one instance: takes a slot of the busiest open host and a quota place in one transaction, starts
 * the container, and waits for its `PONG` before it answers. A failure undoes all that was taken and continues
 * with the next host. A retry with a known idempotency key gets the first answer.
 * @throws Unavailable when MySQL does not answer
 */
export async function createInstance(ports: CreatePorts, request: CreateRequest): Promise<CreateResult> {
  const { rules, clock } = ports;
  const ttlSeconds = leaseSeconds(request.ttlSeconds, rules.lease);
  if (typeof ttlSeconds !== "number") return ttlSeconds;
  const deadline = new Date(clock().getTime() + rules.timeoutMs);
  const claim = claimOf(request);
  const known = claim && (await ports.store.handouts.readClaim(request.address, claim.keyHash, clock()));
  const replay = known && (await replayAnswer(ports, request, known, deadline));
  if (replay && replay !== "undone") return replay;

  let failures = 0;
  for (;;) {
    const host = nextHost(ports);
    if (!host) return { kind: "no-capacity", reason: whyNone(ports, failures) };
    const attempt = await handOutOn(ports, host, { ...request, ttlSeconds, claim, deadline });
    if (attempt.kind === "known") {
      // The same key came twice at once, and the other request was first.
      const answer = await replayAnswer(ports, request, attempt, deadline);
      if (answer !== "undone") return answer;
    } else if (attempt.kind === "host-full" || attempt.kind === "host-closed") {
      ports.fleet.countFull(host.name);
    } else if (attempt.kind === "host-failed") {
      failures++;
      ports.fleet.backOff(host.name, clock());
    } else if (attempt.kind !== "withdrawn") {
      return attempt;
    }
    if (request.signal.aborted && !claim) return { kind: "abandoned" };
    if (clock() >= deadline) return { kind: "no-capacity", reason: "too-slow" };
  }
}

function nextHost(ports: CreatePorts): Host | undefined {
  return ports.fleet.openHosts(ports.clock()).next().value;
}

function whyNone(ports: CreatePorts, failures: number): "fleet-unseen" | "no-open-host" | "hosts-failed" {
  if (ports.fleet.isBlind(ports.clock())) return "fleet-unseen";
  return failures > 0 ? "hosts-failed" : "no-open-host";
}
