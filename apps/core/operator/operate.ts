import type { Events } from "../events/contract.ts";
import type { Hosts } from "../fleet/contract.ts";
import type { Leases } from "../instances/contract.ts";
import type { Blocks, DestroyRequests, Switches } from "./contract.ts";
import type { Happening } from "../events/event.ts";
import type { HostState } from "../fleet/host.ts";
import { shownEnd, type Instance } from "../instances/instance.ts";
import type { DestroyRequestResult } from "./operator.ts";
import type { JobName, SwitchName } from "../events/names.ts";
import { changeLease, type ChangeLeasePorts, type ChangeLeaseResult } from "../instances/change-lease.ts";
import { endInstance, type EndPorts, type EndResult } from "../instances/end-instance.ts";

/** Each action is kept as an event. */
type NotePorts = { readonly store: { readonly events: Pick<Events, "add"> }; readonly clock: () => Date };

/** Requests a run of a job now; resolves with the number of processes that received the request. */
type RunPorts = { readonly requestRun: (job: JobName) => Promise<number> };

/** What actions on hosts need. */
export type OperateHostsPorts = NotePorts &
  RunPorts & {
    readonly store: {
      readonly hosts: Pick<Hosts, "setState">;
      readonly destroyRequests: Pick<DestroyRequests, "add">;
    };
  };

/** What actions on somebody's instance need. */
export type OperateInstancesPorts = NotePorts &
  EndPorts &
  ChangeLeasePorts & { readonly store: { readonly leases: Pick<Leases, "findContainer"> } };

/** What blocking an address needs. */
export type BlockAddressPorts = NotePorts & { readonly store: { readonly blocks: Pick<Blocks, "add" | "remove"> } };

/** What setting a switch needs. */
export type SetSwitchPorts = NotePorts & RunPorts & { readonly store: { readonly switches: Pick<Switches, "set"> } };

/** What running a job needs. */
export type RunJobPorts = NotePorts & RunPorts;

const kindOfState = { active: "uncordon", cordoned: "cordon", draining: "drain" } as const satisfies Record<
  HostState,
  unknown
>;

/** Opens a host to hand-outs, closes it, or drains it. False when no host has this name, or it is being destroyed. */
export async function setHostState(ports: OperateHostsPorts, name: string, state: HostState): Promise<boolean> {
  if (!(await ports.store.hosts.setState(name, state))) return false;
  await note(ports, { kind: kindOfState[state], host: name, reason: "asked for by the operator" });
  if (state === "draining") void ports.requestRun("scale");
  return true;
}

/**
 * Requests that a host is destroyed: it gets no more instances, and the leader of the scaling destroys its
 * droplet.
 * @param leases "none" is refused while it has any; "lost" ends them with it
 */
export async function destroyHost(
  ports: OperateHostsPorts,
  name: string,
  leases: "none" | "lost",
): Promise<DestroyRequestResult> {
  const result = await ports.store.destroyRequests.add(name, leases, ports.clock());
  if (result.kind !== "requested") return result;
  await note(ports, {
    kind: "destroy",
    host: name,
    reason: leases === "lost" ? "asked for by the operator, leases and all" : "asked for by the operator",
  });
  void ports.requestRun("scale");
  return result;
}

/** Ends somebody's instance, see {@link endInstance}; "unknown" when no instance has this id. */
export async function endForOperator(
  ports: OperateInstancesPorts,
  id: string,
): Promise<EndResult | { kind: "unknown" }> {
  const place = await ports.store.leases.findContainer(id);
  if (!place) return { kind: "unknown" };
  const result = await endInstance(ports, place, "operator");
  const waiting = result.kind === "later" ? `; its container waits for the host (${result.fault.reason})` : "";
  if (place.state !== "ended")
    await note(ports, {
      kind: "end",
      host: place.host.name,
      instance: id,
      reason: `asked for by the operator${waiting}`,
      data: { cause: "operator" },
    });
  return result;
}

/** Sets the end of somebody's lease to `ttlSeconds` from now, within the bounds that hold for all. */
export async function extendForOperator(
  ports: OperateInstancesPorts,
  instance: Instance,
  ttlSeconds: number,
): Promise<ChangeLeaseResult> {
  const result = await changeLease(ports, instance, ttlSeconds);
  if (result.kind === "changed") {
    const [from, to] = [shownEnd(instance).toISOString(), result.instance.expiresAt.toISOString()];
    await note(ports, {
      kind: "extend",
      host: instance.hostName,
      instance: instance.id,
      reason: `ends ${to} now, instead of ${from}`,
      data: { from, to },
    });
  }
  return result;
}

/** Blocks an address: it gets no more instances, and keeps those it holds. */
export async function blockAddress(ports: BlockAddressPorts, address: string, reason: string): Promise<void> {
  await ports.store.blocks.add(address, reason, ports.clock());
  await note(ports, {
    kind: "block",
    reason: reason === "" ? address : `${address}: ${reason}`,
    data: { address },
  });
}

/** Unblocks an address: it may have instances again. False when it was not blocked. */
export async function unblockAddress(ports: BlockAddressPorts, address: string): Promise<boolean> {
  const wasBlocked = await ports.store.blocks.remove(address);
  if (wasBlocked) await note(ports, { kind: "unblock", reason: address, data: { address } });
  return wasBlocked;
}

/** Pauses hand-outs or scaling, or resumes them. */
export async function setSwitch(ports: SetSwitchPorts, name: SwitchName, paused: boolean): Promise<void> {
  if (!(await ports.store.switches.set(name, paused, ports.clock()))) return;
  await note(ports, { kind: paused ? "pause" : "resume", reason: name, data: { switch: name } });
  if (name === "scaling" && !paused) void ports.requestRun("scale");
}

/** Requests a run of a job now. False when no process that runs jobs received the request. */
export async function runJob(ports: RunJobPorts, job: JobName): Promise<boolean> {
  if ((await ports.requestRun(job)) === 0) return false;
  await note(ports, { kind: "run", reason: job, data: { job } });
  return true;
}

function note({ store, clock }: NotePorts, event: Happening): Promise<void> {
  return store.events.add({ actor: "operator", ...event }, clock());
}
